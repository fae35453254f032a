//! Compiled plugins on disk, so that a start or a reload compiles only what is new.
//!
//! An entry is found by the hash of everything that it was made of: the component's bytes, the settings that are in its
//! image, and the engine's own compatibility. It is used only if the directory and the file belong to this process's user
//! and nobody else may write them, and if its content has the hash that stands before it: what is damaged, cut short or of
//! another engine is compiled again. Machine code from anywhere else, an operator's `.cwasm` for one, is never loaded.

use sha2::{Digest, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Most entries that are kept; the ones that were not used for the longest go first.
const ENTRIES: usize = 64;

/// Before each entry: what it is, and the hash of the rest.
const MARK: &[u8; 16] = b"witgate-code-1\r\n";
const HASH: usize = 32;

/// The cache of one directory.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    /// The user that this process writes files as.
    user: u32,
}

/// The name of an entry: the hash of everything that it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

/// Why a directory can't be a cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It can't be made or looked at: the operator's to mend.
    #[error("the cache directory {} can't be used: {_1}; check its permissions", _0.display())]
    Directory(PathBuf, #[source] io::Error),
    /// Somebody else could put machine code into it.
    #[error(
        "the cache directory {} is not this user's alone, and what is in it is run as machine code; make it so: `chown` it to the user of the process, `chmod 700`",
        _0.display()
    )]
    Shared(PathBuf),
}

// === impl Cache ===

impl Cache {
    /// The cache in a directory, which is made if it isn't there.
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

    /// The compiled component of a key; none when there is none that can be trusted.
    pub(crate) fn load(&self, engine: &Engine, key: &Key) -> Option<Component> {
        let path = self.path(key);
        let code = match self.read_checked(&path) {
            Ok(code) => code,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(file = %path.display(), "a cache entry is not used: {error}");
                    // What can't be removed now is written over when its plugin is compiled again.
                    let _ = fs::remove_file(&path);
                }
                return None;
            }
        };
        match deserialize(engine, &code) {
            Ok(component) => {
                // Its time says when it was last of use; where that can't be noted, it goes a little early.
                let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(component)
            }
            Err(error) => {
                tracing::debug!(file = %path.display(), "a cache entry is of no use: {error:#}");
                None
            }
        }
    }

    /// Keeps a compiled component. A failure is told and costs nothing but the next compilation.
    pub(crate) fn store(&self, key: &Key, component: &Component) {
        let stored = component
            .serialize()
            .map_err(io::Error::other)
            .and_then(|code| self.write(key, &code));
        if let Err(error) = stored {
            tracing::warn!(dir = %self.dir.display(), "a compiled plugin is not cached: {error}");
        }
        self.prune();
    }

    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        let unfinished = self.dir.join(format!(".{}.{}", key.0, std::process::id()));
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(MARK)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        fs::rename(&unfinished, self.path(key))
    }

    /// Removes the entries that are too many.
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
        let extra = entries.len().saturating_sub(ENTRIES);
        for (_, path) in entries.into_iter().take(extra) {
            // Another process may have been faster.
            let _ = fs::remove_file(path);
        }
    }

    /// The content of a file that only this user can have written, and that is whole.
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
        let mut head = [0; MARK.len() + HASH];
        file.read_exact(&mut head)?;
        let (mark, hash) = head.split_at(MARK.len());
        let mut code = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.read_to_end(&mut code)?;
        if mark != MARK || *hash != *Sha256::digest(&code) {
            return Err(io::Error::other("it is damaged"));
        }
        Ok(code)
    }

    /// Whether a file or directory is this user's, and nobody else may write it.
    fn is_ours(&self, metadata: &fs::Metadata) -> bool {
        metadata.uid() == self.user && metadata.mode() & 0o022 == 0
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(&key.0)
    }
}

// === impl Key ===

impl Key {
    /// The key of what is made of these parts by this engine.
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

/// The user that files are written as, told by one.
fn user(dir: &Path) -> io::Result<u32> {
    let probe = dir.join(format!(".probe.{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&probe)?;
    let user = file.metadata()?.uid();
    fs::remove_file(&probe)?;
    Ok(user)
}

#[allow(
    unsafe_code,
    reason = "wasmtime can't check machine code. These bytes were written by this program: they come from a file that only its user can write, with the hash that it wrote before them; wasmtime checks that its own version and settings made them"
)]
pub(crate) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: as above; callers pass only what `Component::serialize` gave to this program.
    unsafe { Component::deserialize(engine, code) }
}
