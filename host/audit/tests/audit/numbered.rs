//! Receipts that are numbers, a sink that is told how much it takes, and what came to be in a file.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use witgate_audit::sink::Stopped;
use witgate_audit::{Lines, Mark, Receipt, Settings, Sink};

pub(crate) struct Numbered(pub(crate) usize);

/// The weight of each receipt, in bytes.
pub(crate) const WEIGHT: usize = 100;

/// The number of a receipt that panics when it is written raw; no other test counts that far.
pub(crate) const CURSED: usize = usize::MAX;

/// A sink that keeps its lines, as long as the test lets it work.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Told>>);

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) lines: Vec<u8>,
    /// Bytes that still fit, or `None` without a limit.
    pub(crate) room: Option<usize>,
}

impl Receipt for Numbered {
    fn weight(&self) -> usize {
        WEIGHT
    }

    fn raw(&self, mark: Mark, line: &mut Vec<u8>) {
        assert_ne!(self.0, CURSED, "this one can't be written");
        line.extend_from_slice(format!("{} {}", self.0, mark.as_str()).as_bytes());
    }
}

impl Sink for Memory {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        let mut told = self.0.lock();
        let taken = told.room.map_or(lines.len(), |room| room.min(lines.len()));
        told.lines.extend_from_slice(&lines[..taken]);
        told.room = told.room.map(|room| room - taken);
        if taken < lines.len() {
            return Err(Stopped {
                taken,
                source: io::ErrorKind::StorageFull.into(),
            });
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn render(batch: &[Numbered], out: &mut Lines) {
    for receipt in batch {
        out.push(receipt.0.to_string().as_bytes());
    }
}

pub(crate) fn eager() -> Settings {
    Settings {
        linger: Duration::ZERO,
        first_retry: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// Settings with a wait for batches that no test would outlast.
pub(crate) fn unhurried() -> Settings {
    Settings {
        linger: Duration::from_secs(3600),
        ..Settings::default()
    }
}

/// Settings with retries so late that none happens during a test.
pub(crate) fn patient() -> Settings {
    let hour = Duration::from_secs(3600);
    Settings {
        linger: Duration::ZERO,
        first_retry: hour,
        longest_retry: hour,
        ..Settings::default()
    }
}

pub(crate) fn lines_of(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "the file ends with a whole line"
    );
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}
