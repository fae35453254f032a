//! A disk in memory, which refuses, waits and loses power as it is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use witgate_journal::{Disk, Tape};

/// A disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<State>);

#[derive(Default)]
struct State {
    files: Mutex<BTreeMap<String, Content>>,
    trouble: Mutex<Trouble>,
    changed: Condvar,
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: usize,
}

/// The trouble with the disk.
#[derive(Clone, Default)]
pub(crate) struct Trouble {
    /// The number of bytes that still fit, if there is a bound.
    pub(crate) space: Option<usize>,
    pub(crate) syncs_fail: bool,
    pub(crate) cuts_fail: bool,
    pub(crate) publishing_fails: bool,
    /// Appending waits until this is false again.
    pub(crate) appends_wait: bool,
}

/// A file of the disk.
struct File {
    disk: Memory,
    name: String,
}

// === impl Memory ===

impl Memory {
    /// Changes what is wrong.
    pub(crate) fn trouble(&self, change: impl FnOnce(&mut Trouble)) {
        change(&mut self.0.trouble.lock());
        self.0.changed.notify_all();
    }

    /// The disk as another process finds it once this one was killed.
    pub(crate) fn after_kill(&self) -> Self {
        let files = self.0.files.lock().clone();
        Self(Arc::new(State {
            files: Mutex::new(files),
            ..State::default()
        }))
    }

    /// The disk as it is after a loss of power: of what was not synced, `survives` says how many bytes are there.
    pub(crate) fn after_power_loss(&self, survives: impl Fn(usize) -> usize) -> Self {
        let after = self.after_kill();
        for content in after.0.files.lock().values_mut() {
            let unsynced = content.bytes.len() - content.synced;
            content.bytes.truncate(content.synced + survives(unsynced));
        }
        after
    }

    /// The names that end so, in order.
    pub(crate) fn names(&self, suffix: &str) -> Vec<String> {
        let files = self.0.files.lock();
        let names = files.keys().filter(|name| name.ends_with(suffix));
        names.cloned().collect()
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        self.0.files.lock()[name].bytes.clone()
    }

    pub(crate) fn replace(&self, name: &str, bytes: Vec<u8>) {
        let synced = bytes.len();
        let content = Content { bytes, synced };
        self.0.files.lock().insert(name.to_owned(), content);
    }

    /// Takes up room, or says that there is none. A part of the bytes fits.
    fn fit(&self, bytes: usize) -> (usize, io::Result<()>) {
        let mut trouble = self.0.trouble.lock();
        let Some(space) = &mut trouble.space else {
            return (bytes, Ok(()));
        };
        let fits = bytes.min(*space);
        *space -= fits;
        if fits == bytes {
            (fits, Ok(()))
        } else {
            (fits, Err(io::ErrorKind::StorageFull.into()))
        }
    }
}

impl Disk for Memory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names(""))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.content(name))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn Tape>> {
        self.replace(name, Vec::new());
        Ok(Arc::new(File {
            disk: self.clone(),
            name: name.to_owned(),
        }))
    }

    fn publish(&self, name: &str, content: &[u8]) -> io::Result<()> {
        if self.0.trouble.lock().publishing_fails {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.replace(name, content.to_vec());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.0.files.lock().remove(name);
        removed
            .map(|_| ())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn release(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Tape for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let state = &self.disk.0;
        let mut trouble = state.trouble.lock();
        while trouble.appends_wait {
            state.changed.wait(&mut trouble);
        }
        drop(trouble);
        let (fits, fitted) = self.disk.fit(bytes.len());
        let mut files = state.files.lock();
        let content = files.get_mut(&self.name).expect("it is not removed");
        content.bytes.extend_from_slice(&bytes[..fits]);
        fitted
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        if self.disk.0.trouble.lock().cuts_fail {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let mut files = self.disk.0.files.lock();
        let content = files.get_mut(&self.name).expect("it is not removed");
        content.bytes.truncate(usize::try_from(length).unwrap());
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.0.trouble.lock().syncs_fail {
            return Err(io::ErrorKind::Other.into());
        }
        let mut files = self.disk.0.files.lock();
        if let Some(content) = files.get_mut(&self.name) {
            content.synced = content.bytes.len();
        }
        Ok(())
    }
}
