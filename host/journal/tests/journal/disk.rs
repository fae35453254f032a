//! A disk in memory, which refuses, waits and loses power as it is told.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use parking_lot::{Condvar, Mutex};
use witgate_journal::{Disk, Tape};

/// A disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<State>);

#[derive(Default)]
struct State {
    files: Mutex<BTreeMap<String, Content>>,
    /// All that was done, in order. Taken after `files`.
    history: Mutex<Vec<Op>>,
    trouble: Mutex<Trouble>,
    changed: Condvar,
    /// The number of appends that wait.
    waiting: AtomicUsize,
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: usize,
}

/// A thing that was done.
#[derive(Clone)]
enum Op {
    Create(String),
    Append(String, Vec<u8>),
    Cut(String, usize),
    Sync(String),
    Publish(String, Vec<u8>),
    Remove(String),
    /// A note of the test.
    Note(usize),
}

/// What a loss of power leaves of the bytes that were not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Left {
    Nothing,
    All,
    /// So many eighths of each file's, from the start.
    Eighths(usize),
    /// As many bytes, the first half of which are zeros.
    Holes,
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

    /// Returns whether an append waits. Meaningful while appends wait.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(SeqCst) > 0
    }

    /// Notes something among what is done.
    pub(crate) fn note(&self, what: usize) {
        let _files = self.0.files.lock();
        self.0.history.lock().push(Op::Note(what));
    }

    /// Returns the number of things done so far.
    pub(crate) fn done(&self) -> usize {
        self.0.history.lock().len()
    }

    /// The disk as it is if power is lost after so many things, and the last note before that. Files that were removed since
    /// the directory was synced may be there again.
    pub(crate) fn after_power_loss_at(&self, done: usize, left: Left) -> (Self, Option<usize>) {
        let mut files = BTreeMap::<String, Content>::new();
        let mut removed = BTreeMap::new();
        let mut last = None;
        for op in &self.0.history.lock()[..done] {
            match op.clone() {
                Op::Create(name) => {
                    files.insert(name, Content::default());
                    removed.clear();
                }
                Op::Append(name, bytes) => {
                    let content = files.get_mut(&name).expect("it was created");
                    content.bytes.extend(bytes);
                }
                Op::Cut(name, length) => {
                    let content = files.get_mut(&name).expect("it was created");
                    content.bytes.truncate(length);
                    content.synced = content.synced.min(length);
                }
                Op::Sync(name) => {
                    if let Some(content) = files.get_mut(&name) {
                        content.synced = content.bytes.len();
                    }
                }
                Op::Publish(name, bytes) => {
                    let synced = bytes.len();
                    files.insert(name, Content { bytes, synced });
                    removed.clear();
                }
                Op::Remove(name) => {
                    let content = files.remove(&name).expect("it was there");
                    removed.insert(name, content);
                }
                Op::Note(what) => last = Some(what),
            }
        }
        if !matches!(left, Left::All) {
            files.append(&mut removed);
        }
        for content in files.values_mut() {
            let unsynced = content.bytes.len() - content.synced;
            match left {
                Left::All => {}
                Left::Nothing => content.bytes.truncate(content.synced),
                Left::Eighths(eighths) => {
                    let length = content.synced + unsynced * eighths / 8;
                    content.bytes.truncate(length);
                }
                Left::Holes => {
                    let hole = content.synced..content.synced + unsynced / 2;
                    content.bytes[hole].fill(0);
                }
            }
        }
        let disk = Self(Arc::new(State {
            files: Mutex::new(files),
            ..State::default()
        }));
        (disk, last)
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
        let mut files = self.0.files.lock();
        files.insert(name.to_owned(), Content::default());
        self.0.history.lock().push(Op::Create(name.to_owned()));
        drop(files);
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
        let op = Op::Publish(name.to_owned(), content.to_vec());
        self.0.history.lock().push(op);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut files = self.0.files.lock();
        let removed = files.remove(name);
        if removed.is_some() {
            self.0.history.lock().push(Op::Remove(name.to_owned()));
        }
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
        state.waiting.fetch_add(1, SeqCst);
        while trouble.appends_wait {
            state.changed.wait(&mut trouble);
        }
        state.waiting.fetch_sub(1, SeqCst);
        drop(trouble);
        let (fits, fitted) = self.disk.fit(bytes.len());
        let mut files = state.files.lock();
        let content = files.get_mut(&self.name).expect("it is not removed");
        content.bytes.extend_from_slice(&bytes[..fits]);
        let op = Op::Append(self.name.clone(), bytes[..fits].to_vec());
        state.history.lock().push(op);
        fitted
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        if self.disk.0.trouble.lock().cuts_fail {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let mut files = self.disk.0.files.lock();
        let content = files.get_mut(&self.name).expect("it is not removed");
        let length = usize::try_from(length).unwrap();
        content.bytes.truncate(length);
        let op = Op::Cut(self.name.clone(), length);
        self.disk.0.history.lock().push(op);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.0.trouble.lock().syncs_fail {
            return Err(io::ErrorKind::Other.into());
        }
        let mut files = self.disk.0.files.lock();
        if let Some(content) = files.get_mut(&self.name) {
            content.synced = content.bytes.len();
            let op = Op::Sync(self.name.clone());
            self.disk.0.history.lock().push(op);
        }
        Ok(())
    }
}
