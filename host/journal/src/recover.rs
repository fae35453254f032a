//! Reading a journal back: the newest snapshot, and the steps after it.
//!
//! The last steps of the last segment may be cut short: the process or the machine ended while they were written. They are
//! left out. Damage anywhere else would make balances wrong in silence, so it is an error unless the operator accepts it.

use std::io;
use std::sync::Arc;

use witgate_ledger::{Amounts, BalanceKey, Change, Export, Position, UnixMillis};

use crate::disk::Disk;
use crate::draining::{Heard, marked};
use crate::file::{End, Kind, Name, Unread, replay};
use crate::image::{Ended, Image, Orphan};
use crate::record::{Changed, Record};
use crate::snapshot::{read_snapshot, snapshot};

/// The rule for a journal that is damaged before its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Refuses it.
    #[default]
    Refuse,
    /// Takes what can be read. Spending that can't is forgotten.
    Accept,
}

/// A journal that can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A file can't be read.
    #[error("{file} can't be read: {error}")]
    Unreadable {
        /// The file, or the directory.
        file: String,
        /// The cause.
        error: io::Error,
    },
    /// A file is damaged, or missing.
    #[error("{0}")]
    Damaged(Damage),
}

/// Damage to a journal before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A snapshot is not as it was written.
    #[error("the snapshot {file} is damaged")]
    Snapshot {
        /// The file.
        file: String,
    },
    /// A file is as it was written, but not in a format that this version knows.
    #[error(
        "{file} is in a format that this version does not know; start the version that wrote it, or move the journal's files away, which forgets what was spent"
    )]
    Unknown {
        /// The file.
        file: String,
    },
    /// There are segments, and no snapshot that they go on from.
    #[error("there is no snapshot for the segment {file}")]
    NoSnapshot {
        /// The first segment.
        file: String,
    },
    /// Steps are missing between two segments, or in one.
    #[error("the steps from {from} up to {to} are missing before {file}")]
    Missing {
        /// The segment after the missing steps.
        file: String,
        /// The first missing step.
        from: u64,
        /// The first step that is there again.
        to: u64,
    },
}

/// A journal's last bytes that were no step, and were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: String,
    /// The number of bytes left out.
    pub bytes: usize,
}

/// A ledger as it was read back.
#[derive(Debug)]
pub struct Recovered {
    image: Image,
    epoch: u64,
    /// The torn end, or `None` if the journal ends with a step.
    pub cut: Option<Cut>,
    /// Damage that was accepted.
    pub damage: Vec<Damage>,
}

/// Reads a journal back.
///
/// # Errors
///
/// A file can't be read, or is damaged and `on_damage` does not accept that.
pub fn recover(disk: &dyn Disk, on_damage: OnDamage) -> Result<Recovered, RecoverError> {
    let names = names(disk).map_err(|error| RecoverError::Unreadable {
        file: "the directory".into(),
        error,
    })?;
    recover_from(disk, &names, on_damage)
}

/// Reads back the part of a journal that is in these files, which are in order.
pub(crate) fn recover_from(
    disk: &dyn Disk,
    names: &[Name],
    on_damage: OnDamage,
) -> Result<Recovered, RecoverError> {
    let (recovered, _) = recover_heard(disk, names, on_damage, u64::MAX)?;
    Ok(recovered)
}

/// Reads back the part of a journal that is in these files, which are in order. Returns its steps after `after` as well.
pub(crate) fn recover_heard(
    disk: &dyn Disk,
    names: &[Name],
    on_damage: OnDamage,
    after: u64,
) -> Result<(Recovered, Vec<Heard>), RecoverError> {
    let epoch = names.iter().map(|name| name.position.epoch).max();
    let mut recovered = Recovered {
        image: Image::default(),
        epoch: epoch.unwrap_or(0),
        cut: None,
        damage: Vec::new(),
    };
    let mut heard = Vec::new();
    let mut hear = |epoch: u64, record: &Record| {
        if let Record::Step(posted) = record
            && posted.sequence > after
        {
            let sequence = posted.sequence;
            heard.push(Heard {
                position: Position { epoch, sequence },
                step: posted.step,
                name: Arc::clone(&posted.name),
                changes: posted.changes.iter().map(Changed::to_change).collect(),
            });
        }
    };
    recovered.read(disk, names, on_damage, &mut hear)?;
    Ok((recovered, heard))
}

/// Returns the last epoch of a journal, or 0 if there are no files of one.
///
/// # Errors
///
/// The directory can't be read.
pub fn last_epoch(disk: &dyn Disk) -> io::Result<u64> {
    let names = names(disk)?;
    let epochs = names.iter().map(|name| name.position.epoch);
    Ok(epochs.max().unwrap_or(0))
}

/// Returns the names of the segments and snapshots, in order.
pub(crate) fn names(disk: &dyn Disk) -> io::Result<Vec<Name>> {
    let names = disk.list()?;
    let mut names: Vec<_> = names.iter().filter_map(|name| Name::parse(name)).collect();
    names.sort();
    Ok(names)
}

// === impl Recovered ===

impl Recovered {
    /// Returns the holds that had not ended. Each has to be settled before the ledger is inherited: what is left open counts
    /// as held by a process that still runs.
    #[must_use]
    pub fn orphans(&self) -> Vec<Orphan> {
        self.image.orphans()
    }

    /// Returns the last few thousand holds with names that ended, in order. Those at the end may have ended so shortly before
    /// the crash that nothing else knows of it.
    pub fn ended(&self) -> impl ExactSizeIterator<Item = &Ended> {
        self.image.ended.iter()
    }

    /// Raises the use of a balance to at least this. A balance that is unknown gets no owner, and the limit of its next request.
    pub fn raise(&mut self, balance: BalanceKey, used: u128) {
        self.image.raise(balance, used);
    }

    /// Begins the journal anew with what was read back, open holds included: writes a snapshot in the epoch after the last one,
    /// and removes older files.
    ///
    /// # Errors
    ///
    /// The disk refuses. Older files stay if the snapshot could not be written.
    pub fn publish(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let old = names(disk)?;
        let Position { epoch, sequence } = self.image.position;
        // Steps of this epoch may come again, in the spool of a process that handed over.
        if epoch > 0 {
            self.image.applied.insert(epoch, sequence);
        }
        self.epoch += 1;
        self.image.position.epoch = self.epoch;
        let name = Name::snapshot(self.image.position);
        disk.publish(&name.to_string(), &snapshot(&self.image))?;
        let marked = marked(disk);
        old.iter()
            .filter(|name| !marked.contains(&name.position.epoch))
            .try_for_each(|name| disk.remove(&name.to_string()))
    }

    /// Ends a hold with these amounts.
    pub fn settle(&mut self, number: u64, amounts: Amounts) {
        self.image.settle(number, amounts);
    }

    /// Returns the changes by which a ledger that counts a hold of another process ends it with these amounts. Unknown holds have
    /// none.
    #[must_use]
    pub fn ending(&self, number: u64, amounts: Amounts) -> Vec<Change> {
        self.image.ending(number, amounts)
    }

    /// Returns the place of the last step.
    #[must_use]
    pub fn position(&self) -> Position {
        self.image.position
    }

    /// Leaves the open holds to the process that made them, which still lives: they are only counted from here on.
    pub fn leave_holds(&mut self) {
        self.image.holds.clear();
        self.image.ended.clear();
    }

    /// Returns what a ledger inherits at this time.
    #[must_use]
    pub fn export(&self, now: UnixMillis) -> Export {
        self.image.export(now)
    }

    /// Returns the last epoch that there are files of, or 0 without any.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn into_image(self) -> Image {
        self.image
    }

    fn read(
        &mut self,
        disk: &dyn Disk,
        names: &[Name],
        on_damage: OnDamage,
        hear: &mut dyn FnMut(u64, &Record),
    ) -> Result<(), RecoverError> {
        let of = |kind| names.iter().copied().filter(move |name| name.kind == kind);
        let mut has_snapshot = false;
        for name in of(Kind::Snapshot).rev() {
            match read_snapshot(name, &content(disk, name)?) {
                Ok(image) => {
                    self.image = image;
                    has_snapshot = true;
                    break;
                }
                Err(unread) => {
                    let file = name.to_string();
                    let damage = match unread {
                        Unread::Damaged => Damage::Snapshot { file },
                        Unread::Unknown => Damage::Unknown { file },
                    };
                    self.accept(damage, on_damage)?;
                }
            }
        }
        let epoch = match (has_snapshot, of(Kind::Segment).next_back()) {
            (true, _) => self.image.position.epoch,
            (false, None) => return Ok(()),
            (false, Some(last)) => {
                let file = last.to_string();
                self.accept(Damage::NoSnapshot { file }, on_damage)?;
                self.image.position.epoch = last.position.epoch;
                last.position.epoch
            }
        };
        let segments: Vec<_> = of(Kind::Segment)
            .filter(|name| name.position.epoch == epoch)
            .collect();
        for (place, name) in segments.iter().enumerate() {
            let next = segments.get(place + 1);
            // The snapshot contains all of it.
            let done = self.image.position.sequence + 1;
            if next.is_some_and(|next| next.position.sequence <= done) {
                continue;
            }
            self.segment(disk, *name, (next.is_none(), on_damage), hear)?;
        }
        Ok(())
    }

    fn segment(
        &mut self,
        disk: &dyn Disk,
        name: Name,
        (is_last, on_damage): (bool, OnDamage),
        hear: &mut dyn FnMut(u64, &Record),
    ) -> Result<(), RecoverError> {
        let (wanted, first) = (self.image.position.sequence + 1, name.position.sequence);
        if first > wanted {
            let missing = Damage::Missing {
                file: name.to_string(),
                from: wanted,
                to: first,
            };
            self.accept(missing, on_damage)?;
            self.image.position.sequence = first - 1;
        }
        let content = content(disk, name)?;
        // A torn end before the last segment shows as steps that are missing before the next one. None are if a write failed
        // and its rest could not be cut off: the next segment goes on where this one was whole.
        let file = name.to_string();
        let mut hear = |record: &Record| hear(name.position.epoch, record);
        match replay(name, &content, &mut self.image, &mut hear) {
            End::Torn { at } if is_last && at < content.len() => {
                let bytes = content.len() - at;
                self.cut = Some(Cut { file, bytes });
            }
            End::Torn { .. } | End::Whole => {}
            End::Unknown => self.accept(Damage::Unknown { file }, on_damage)?,
        }
        Ok(())
    }

    fn accept(&mut self, damage: Damage, on_damage: OnDamage) -> Result<(), RecoverError> {
        match on_damage {
            OnDamage::Refuse => Err(RecoverError::Damaged(damage)),
            OnDamage::Accept => {
                self.damage.push(damage);
                Ok(())
            }
        }
    }
}

fn content(disk: &dyn Disk, name: Name) -> Result<Vec<u8>, RecoverError> {
    let file = name.to_string();
    disk.read(&file)
        .map_err(|error| RecoverError::Unreadable { file, error })
}
