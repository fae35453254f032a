//! The cache of compiled plugins on disk, so that a start or a reload only compiles new ones.
//!
//! The key of an entry is the hash of everything that determines its code: the component's bytes, the settings in its image,
//! and the engine's compatibility. An entry is used only if the directory and the file belong to this process's user, no
//! other user may write to them, and the content matches the hash in front of it. Otherwise the plugin compiles again.
//! Machine code from anywhere else, such as an operator's `.cwasm`, never loads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The maximum number of entries. The least recently used ones are removed first.
const MAX_ENTRIES: usize = 64;

/// The magic bytes at the start of each entry, before the hash of the rest.
const MAGIC: &[u8; 16] = b"witgate-code-1\r\n";
const HASH_BYTES: usize = 32;

/// The cache in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// The owner of files that this process creates.
    user: u32,
}

/// The name of an entry: the hash of everything that determines its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// An error of the cache directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The directory can't be created or read. The operator has to fix it.
    #[error("the cache directory {} can't be used: {_1}; check its permissions", _0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// The directory is open to other users, who could put machine code into it.
    #[error(
        "the cache directory {} is open to other users, and its content runs as machine code; `chown` it to the user of the process and `chmod 700` it",
        _0.display()
    )]
    Shared(PathBuf),
}

// === impl Cache ===

impl Cache {
    /// Opens the cache in a directory, which is created if it does not exist.
    pub(crate) fn open(dir: &Path) -> Result<Self, CacheError> {
        let failed = |error| CacheError::Directory(dir.to_owned(), error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(failed)?;
        let cache = Self {
            dir: dir.to_owned(),
            user: user(dir).map_err(failed)?,
        };
        if !cache.is_ours(&fs::metadata(dir).map_err(failed)?) {
            return Err(CacheError::Shared(dir.to_owned()));
        }
        Ok(cache)
    }

    /// Returns the compiled component of a key, or `None` if the cache has none that can be trusted.
    pub(crate) fn load(&self, engine: &Engine, key: &Key) -> Option<Component> {
        let path = self.path(key);
        let code = match self.read_checked(&path) {
            Ok(code) => code,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), "a cache entry can't be used: {error}");
                    // An entry that can't be removed is overwritten when its plugin compiles again.
                    let _ = fs::remove_file(&path);
                }
                return None;
            }
        };
        match deserialize(engine, &code) {
            Ok(component) => {
                // The file's time records the last use. If that fails, the entry is removed a little early.
                let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::debug!(file = %path.display(), "a cache entry is from another engine: {error:#}");
                None
            }
        }
    }

    /// Stores a compiled component. A failure is logged and only costs the next compilation.
    pub(crate) fn store(&self, key: &Key, component: &Component) {
        let stored = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| self.write(key, &code));
        if let Err(error) = stored {
            tracing::warn!(dir = %self.dir.display(), "a compiled plugin could not be cached: {error}");
        }
        self.prune();
    }

    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        let unfinished = self.dir.join(temporary(&key.0));
        let written =
            write_new(&unfinished, code).and_then(|()| fs::rename(&unfinished, self.path(key)));
        if written.is_err() {
            // No later write would replace it.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Removes entries above the maximum number.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut entries: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let modified = entry.metadata().ok()?.modified().ok()?;
                Some((modified, entry.path()))
            })
            .collect();
        entries.sort();
        let extra = entries.len().saturating_sub(MAX_ENTRIES);
        for (_, path) in entries.into_iter().take(extra) {
            // Another process may have removed it already.
            let _ = fs::remove_file(path);
        }
    }

    /// Reads an entry that only this user can have written and that is complete.
    fn read_checked(&self, path: &Path) -> io::Result<Vec<u8>> {
        let link = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(link)
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || !self.is_ours(&metadata) {
            return Err(io::Error::other(
                "it is not this user's alone, so it may be anybody's machine code",
            ));
        }
        let mut head = [0; MAGIC.len() + HASH_BYTES];
        file.read_exact(&mut head)?;
        let (note, hash) = head.split_at(MAGIC.len());
        let mut code = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.read_to_end(&mut code)?;
        if note != MAGIC || *hash != *Sha256::digest(&code) {
            return Err(io::Error::other("it is damaged"));
        }
        Ok(code)
    }

    /// Returns whether a file or directory belongs to this user and no other user may write to it.
    fn is_ours(&self, metadata: &fs::Metadata) -> bool {
        metadata.uid() == self.user && metadata.mode() & 0o022 == 0
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(&key.0)
    }
}

// === impl Key ===

impl Key {
    /// Returns the key of the code that this engine makes from these parts.
    pub(crate) fn of(engine: &Engine, parts: &[&[u8]]) -> Self {
        // The engine tells its compatibility to any hasher; what it says goes into the hash as a whole.
        let mut compatibility = DefaultHasher::new();
        engine
            .precompile_compatibility_hash()
            .hash(&mut compatibility);
        let mut hash = Sha256::new();
        hash.update(compatibility.finish().to_le_bytes());
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Self(crate::hex(&hash.finalize()))
    }
}

/// Returns the owner of files that this process creates, by creating one.
fn user(dir: &Path) -> io::Result<u32> {
    let probe = dir.join(temporary("probe"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&probe)?;
    let user = file.metadata()?.uid();
    fs::remove_file(&probe)?;
    Ok(user)
}

/// Writes an entry to a file that does not exist yet.
fn write_new(path: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(MAGIC)?;
    file.write_all(&Sha256::digest(code))?;
    file.write_all(code)
}

/// Returns a file name that no other cache uses: several may share a directory, also those of containers, whose processes
/// have the same ids.
fn temporary(name: &str) -> String {
    // The standard library seeds each state anew.
    format!(".{name}.{:016x}", RandomState::new().hash_one(name))
}

#[allow(
    unsafe_code,
    reason = "wasmtime can't check machine code. These bytes were written by this program: they come from a file that only its user can write, with the hash that it wrote before them; wasmtime checks that its own version and settings made them"
)]
pub(crate) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: as above; callers pass only what `Component::serialize` gave to this program.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_that_open_one_directory_at_once_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let open = || (0..200).try_for_each(|_| Cache::open(folder.path()).map(drop));
        std::thread::scope(|threads| {
            let all: Vec<_> = (0..4).map(|_| threads.spawn(open)).collect();
            for one in all {
                one.join().unwrap().expect("the directory can be used");
            }
        });
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "nothing stays behind");
    }
}
