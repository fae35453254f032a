//! Removal of fields from closed segments, by a rule of the operator.
//!
//! A segment is written anew with a chain of its own, in which each record keeps the hash that it had (`was:`), so that the segments
//! around it still fit. The rule is named in its first record (`without:`), and the new last hash in the next record of the open
//! segment (`rewrote:`). The new file takes the place of the old one once that record is written, so that a check can always tell a
//! rule from a change by somebody else, whenever a process is killed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

use super::read::Reader;
use super::seal::{self, Seal, Sealing};
use super::{Closed, Form, closed};
use crate::chain::{Chained, End, Link, Note};

/// The ending of segments that wait for their record.
const REWRITTEN: &str = ".rewritten";

/// The change of a line, which is a JSON object without its chain, into another that is not empty.
pub type Edit = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// A rule for removing fields from closed segments.
#[derive(Clone)]
pub struct Rule {
    /// The name, which tells what is removed. Blanks and quotes in it become `_`.
    pub name: String,
    /// The time after a segment was closed at which it applies.
    pub age: Duration,
    /// The change of each line.
    pub edit: Arc<Edit>,
}

/// Rewritten segments on their way to the chain.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// Set while a segment waits for its record, so that most batches look no further.
    are_pending: AtomicBool,
    of: Mutex<HashMap<u64, (Link, Anchor)>>,
    /// Closed segments that need no look any more.
    done: Mutex<HashSet<u64>>,
}

/// The state of a rewritten segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// No record tells of it yet.
    Pending,
    /// A record that is being written tells of it.
    Given,
    /// A record in the file tells of it.
    Written,
}

/// The result of writing a segment anew.
enum Rewriting {
    /// There is a new file beside it.
    Done,
    /// The rule has been applied before.
    Needless,
    /// Another process is at it.
    Elsewhere,
}

// === impl Rule ===

impl Rule {
    /// Returns the name as it is written in a chain.
    fn note(&self) -> String {
        let plain = |char: char| char.is_ascii_graphic() && !matches!(char, '"' | '\\' | ';');
        let plain = |char| if plain(char) { char } else { '_' };
        self.name.chars().map(plain).collect()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("name", &self.name)
            .field("age", &self.age)
            .finish_non_exhaustive()
    }
}

// === impl Anchors ===

impl Anchors {
    /// Returns notes for the next record.
    pub(super) fn give(&self) -> Vec<Note> {
        if !self.are_pending.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut anchors = self.of.lock();
        let pending = anchors.iter_mut().filter_map(|(segment, (link, state))| {
            (*state == Anchor::Pending).then(|| {
                *state = Anchor::Given;
                Note::Rewrote(*segment, *link)
            })
        });
        pending.collect()
    }

    /// Notes whether the records with the notes that were given are in the file. Returns whether there were any.
    pub(super) fn written(&self, is_written: bool) -> bool {
        if !self.are_pending.load(Ordering::Relaxed) {
            return false;
        }
        let mut anchors = self.of.lock();
        let mut any = false;
        for (_, state) in anchors
            .values_mut()
            .filter(|(_, state)| *state == Anchor::Given)
        {
            any = true;
            *state = match is_written {
                true => Anchor::Written,
                false => Anchor::Pending,
            };
        }
        let are_pending = anchors.values().any(|(_, state)| *state == Anchor::Pending);
        self.are_pending.store(are_pending, Ordering::Relaxed);
        any
    }

    /// Returns whether a record tells of a rewritten segment. Has one written otherwise.
    fn is_written(&self, segment: u64, link: Link) -> bool {
        let mut anchors = self.of.lock();
        let anchor = anchors.entry(segment).or_insert((link, Anchor::Pending));
        if anchor.0 != link {
            *anchor = (link, Anchor::Pending);
        }
        let is_written = anchor.1 == Anchor::Written;
        self.are_pending.fetch_or(!is_written, Ordering::Relaxed);
        is_written
    }

    /// Notes that a segment needs no look any more.
    fn done(&self, segment: u64) {
        self.of.lock().remove(&segment);
        self.done.lock().insert(segment);
    }
}

/// Applies a rule to closed segments, as far as it can be done now. A segment on which it fails is tried again later, and holds up
/// no other.
pub(super) fn apply(base: &Path, rule: &Rule, anchors: &Anchors, now: SystemTime) {
    let found = match closed(base) {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(path = %base.display(), %error, "the closed segments of receipts can't be listed");
            return;
        }
    };
    anchors
        .done
        .lock()
        .retain(|done| found.iter().any(|it| it.number == *done));
    for closed in found {
        if closed.form == Form::Compressed
            && !anchors.done.lock().contains(&closed.number)
            && let Err(error) = apply_to(&closed, rule, anchors, now)
        {
            tracing::error!(path = %closed.path.display(), %error, "fields can't be removed from a segment of receipts, as [receipts.forget] says");
        }
    }
}

fn apply_to(closed: &Closed, rule: &Rule, anchors: &Anchors, now: SystemTime) -> io::Result<()> {
    let to = rewritten(&closed.path);
    if !to.try_exists()? {
        let modified = fs::metadata(&closed.path)?.modified()?;
        if now.duration_since(modified).unwrap_or_default() < rule.age {
            return Ok(());
        }
        match rewrite(closed, rule, modified)? {
            Rewriting::Done => {}
            Rewriting::Needless => {
                anchors.done(closed.number);
                return Ok(());
            }
            Rewriting::Elsewhere => return Ok(()),
        }
    }
    let Some(Seal { link, .. }) = seal::read(&fs::File::open(&to)?)? else {
        // Somebody has cut it off.
        return seal::remove(&to);
    };
    if anchors.is_written(closed.number, link) {
        fs::rename(&to, &closed.path)?;
        seal::sync_folder(&to)?;
        anchors.done(closed.number);
        tracing::info!(path = %closed.path.display(), rule = rule.name, "removed fields from a segment of receipts, as [receipts.forget] says");
    }
    Ok(())
}

/// Writes a segment anew beside it.
fn rewrite(closed: &Closed, rule: &Rule, modified: SystemTime) -> io::Result<Rewriting> {
    let file = fs::File::open(&closed.path)?;
    let lock = file.try_clone()?;
    if lock.try_lock().is_err() {
        return Ok(Rewriting::Elsewhere);
    }
    let mut reader = Reader::of_form(file, closed.form, 0)?;
    let to = rewritten(&closed.path);
    let unfinished = super::unfinished(&to);
    let name = rule.note();
    let mut written: Option<Written> = None;
    let mut line = Vec::new();
    while reader.read(&mut line)? {
        let Some(record) = Chained::read(&line) else {
            if written.is_none() {
                return Err(io::Error::other(
                    "it begins with receipts from before there were chains: delete the file when they may go",
                ));
            }
            // A line that was cut may have what is to be removed.
            continue;
        };
        let anew = match &mut written {
            Some(anew) => anew,
            None => {
                let earlier = record.without();
                if earlier.is_some_and(|earlier| earlier.split(';').any(|rule| rule == name)) {
                    return Ok(Rewriting::Needless);
                }
                let all =
                    earlier.map_or_else(|| name.clone(), |earlier| format!("{earlier};{name}"));
                let sealing = Sealing::create(&unfinished)?;
                written.insert(Written::begin(closed.number, &record, all, sealing))
            }
        };
        if record.expected(&anew.read) != record.link {
            return Err(io::Error::other(format!(
                "record {} was changed, so nothing is removed; see `witgate receipts verify`",
                record.place
            )));
        }
        anew.add(&record, &(rule.edit)(&record.line()))?;
    }
    let Some(written) = written else {
        return Ok(Rewriting::Needless);
    };
    let seal = Seal {
        place: written.end.place,
        link: written.end.link,
        original: written.original,
    };
    written.sealing.finish(&seal, modified)?;
    fs::rename(&unfinished, &to)?;
    seal::sync_folder(&to)?;
    Ok(Rewriting::Done)
}

/// Returns the path of a segment that waits for its record.
pub(super) fn rewritten(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(REWRITTEN);
    PathBuf::from(name)
}

/// A segment that is being written anew.
struct Written {
    sealing: Sealing,
    /// The hash of the last record that was read.
    read: Link,
    /// The hash that it was written with first.
    original: Link,
    /// The end of the new chain.
    end: End,
    bytes: Vec<u8>,
}

// === impl Written ===

impl Written {
    fn begin(segment: u64, first: &Chained<'_>, rules: String, sealing: Sealing) -> Self {
        let after = first.after();
        let mut end = End::start(segment, after);
        end.notes.push(Note::Without(rules));
        Self {
            sealing,
            read: end.link,
            original: end.link,
            end,
            bytes: Vec::new(),
        }
    }

    /// Adds a record with its new content.
    fn add(&mut self, record: &Chained<'_>, edited: &[u8]) -> io::Result<()> {
        self.end.notes.push(Note::Was(record.original()));
        let rewrote = |note: &&Note| matches!(note, Note::Rewrote(..));
        let told = record.notes.iter().filter(rewrote).cloned();
        self.end.notes.extend(told);
        // Records that were missing before stay so.
        self.end.place.record = record.place.record.saturating_sub(1);
        self.bytes.clear();
        let object = edited.strip_suffix(b"}").unwrap_or(edited);
        self.bytes.extend_from_slice(object);
        self.end.add(object, &mut self.bytes);
        self.sealing.write(&self.bytes)?;
        self.read = record.link;
        self.original = record.original();
        Ok(())
    }
}
