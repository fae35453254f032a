//! The marks that a change of a log leaves, so that a reader finds out by two calls that there is none.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::folder;
use super::segment::Stamp;

/// The age below which a folder may have changed again without another time.
const FRESH: Duration = Duration::from_secs(2);

/// The states of a log's folder and of its open segment. If two of them are equal, then in between no line was added, and no
/// segment came, went or got another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    folder: Stamp,
    open: Option<Stamp>,
}

// === impl Footprint ===

impl Footprint {
    /// Returns the footprint of a log, or `None` if it would prove nothing: the folder is fresh or can't be inspected. Take it
    /// before you read the log, so that a change in between shows in the next one.
    #[must_use]
    pub fn of(base: &Path) -> Option<Self> {
        let metadata = fs::metadata(folder(base)).ok()?;
        let changed = metadata.modified().ok()?;
        let is_old = |age| age >= FRESH;
        if !SystemTime::now().duration_since(changed).is_ok_and(is_old) {
            return None;
        }
        let open = match fs::metadata(base) {
            Ok(open) => Some(Stamp::of(&open)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => return None,
        };
        Some(Self {
            folder: Stamp::of(&metadata),
            open,
        })
    }

    /// Returns whether there is an open segment. Without one, lines may go to a file that was moved away.
    #[must_use]
    pub const fn has_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// Makes the folder look as if nothing had happened in it for long.
    fn age(folder: &Path) {
        let past = SystemTime::now() - Duration::from_secs(3600);
        File::open(folder).unwrap().set_modified(past).unwrap();
    }

    #[test]
    fn footprints_are_equal_until_something_happens_to_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("receipts.jsonl");
        fs::write(&base, "{}\n").unwrap();
        assert_eq!(Footprint::of(&base), None, "a fresh folder proves nothing");
        age(folder.path());
        let before = Footprint::of(&base);
        assert!(before.is_some(), "an old one does");
        assert_eq!(before, Footprint::of(&base), "nothing happened");

        let mut file = File::options().append(true).open(&base).unwrap();
        io::Write::write_all(&mut file, b"{}\n").unwrap();
        let added = Footprint::of(&base);
        assert_ne!(before, added, "a line was added");
        fs::rename(&base, folder.path().join("receipts.jsonl.000001")).unwrap();
        age(folder.path());
        let closed = Footprint::of(&base);
        assert!(closed.is_some(), "there need not be an open segment");
        assert_ne!(added, closed, "it was closed");
        let missing = folder.path().join("missing").join("receipts.jsonl");
        assert_eq!(Footprint::of(&missing), None, "there is no folder");
    }
}
