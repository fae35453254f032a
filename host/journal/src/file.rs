//! The names and the contents of segments and snapshots.
//!
//! Both begin with a head that names the epoch and a step: the first one of a segment, the last one that a snapshot
//! contains. A segment goes on with a frame for each step; a snapshot with one for its totals, one for each predecessor,
//! balance and open hold, and a last one that says how many there were.

use std::fmt;

use witgate_ledger::{Amounts, Position, Unit, UnixMillis};

use crate::codec::{Bad, Reader, next_frame, put_frame, put_text, put_uint};
use crate::image::{Ended, HeldShare, Image, OpenHold, Tally};
use crate::record::{Record, put_carried, put_key};

/// The number of bytes of a head.
pub(crate) const HEAD: usize = 28;

/// The name of a segment or a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) position: Position,
    pub(crate) kind: Kind,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The steps from the one in its name on.
    Segment,
    /// The ledger after the step in its name.
    Snapshot,
}

/// The end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The segment ends after a step.
    Whole,
    /// The bytes from this offset on are no step.
    Torn { at: usize },
    /// The next bytes are as they were written, but not in a format that this version knows.
    Unknown,
}

/// A file that can't be read, or not from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not as it was written.
    Damaged,
    /// It is as it was written, but not in a format that this version knows.
    Unknown,
}

/// The units in which ended holds are noted, in order.
const ENDED_IN: [Unit; 6] = [
    Unit::PicoUsd,
    Unit::Tokens,
    Unit::Requests,
    Unit::InputTokens,
    Unit::OutputTokens,
    Unit::CachedTokens,
];

/// The kinds of records in a snapshot. Numbers are never used again.
mod kind {
    pub(super) const TOTALS: u8 = 16;
    pub(super) const APPLIED: u8 = 17;
    pub(super) const BALANCE: u8 = 18;
    pub(super) const HOLD: u8 = 19;
    pub(super) const END: u8 = 20;
    pub(super) const ENDED: u8 = 21;
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 2] = [Self::Segment, Self::Snapshot];

    /// Returns what a name of this kind ends with.
    fn suffix(self) -> &'static str {
        match self {
            Self::Segment => ".log",
            Self::Snapshot => ".snapshot",
        }
    }

    /// Returns the first bytes of a file. The last one is the version of the format.
    fn magic(self) -> [u8; 8] {
        match self {
            Self::Segment => *b"wg-log-2",
            Self::Snapshot => *b"wg-snap2",
        }
    }
}

// === impl Name ===

impl Name {
    pub(crate) fn segment(epoch: u64, first: u64) -> Self {
        Self {
            position: Position {
                epoch,
                sequence: first,
            },
            kind: Kind::Segment,
        }
    }

    pub(crate) fn snapshot(position: Position) -> Self {
        Self {
            position,
            kind: Kind::Snapshot,
        }
    }

    /// Reads a file's name, or returns `None` if it is not one of ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (kind, numbers) = Kind::ALL
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_suffix(kind.suffix())?)))?;
        let (epoch, sequence) = numbers.split_once('-')?;
        let number = |digits: &str| {
            let plain = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok())?
        };
        let position = Position {
            epoch: number(epoch)?,
            sequence: number(sequence)?,
        };
        Some(Self { position, kind })
    }

    /// Returns the head of the file.
    pub(crate) fn head(self) -> [u8; HEAD] {
        self.head_with(self.kind.magic())
    }

    fn head_with(self, magic: [u8; 8]) -> [u8; HEAD] {
        let Position { epoch, sequence } = self.position;
        let numbers = epoch
            .to_le_bytes()
            .into_iter()
            .chain(sequence.to_le_bytes());
        let body: Vec<u8> = magic.into_iter().chain(numbers).collect();
        let sum = crc32c::crc32c(&body).to_le_bytes();
        let mut head = [0; HEAD];
        for (place, byte) in head.iter_mut().zip(body.into_iter().chain(sum)) {
            *place = byte;
        }
        head
    }

    /// Returns the content after the head.
    ///
    /// # Errors
    ///
    /// The head is not that of the name, or that of another version of the format.
    fn body(self, content: &[u8]) -> Result<&[u8], Unread> {
        let (head, body) = content.split_first_chunk::<HEAD>().ok_or(Unread::Damaged)?;
        if *head == self.head() {
            return Ok(body);
        }
        let mut magic = self.kind.magic();
        if let (Some(version), Some(written)) = (magic.last_mut(), head.get(7)) {
            *version = *written;
        }
        Err(if *head == self.head_with(magic) {
            Unread::Unknown
        } else {
            Unread::Damaged
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { epoch, sequence } = self.position;
        write!(f, "{epoch:016x}-{sequence:016x}{}", self.kind.suffix())
    }
}

/// Makes the steps of a segment, beginning with those that the image does not contain yet. Returns its end.
pub(crate) fn replay(name: Name, content: &[u8], image: &mut Image) -> End {
    let mut body = match name.body(content) {
        Ok(body) => body,
        Err(Unread::Damaged) => return End::Torn { at: 0 },
        Err(Unread::Unknown) => return End::Unknown,
    };
    let mut next = name.position.sequence;
    loop {
        let at = content.len() - body.len();
        let (payload, length) = match next_frame(body, name.position.epoch) {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Whole,
            Err(Bad) => return End::Torn { at },
        };
        // Its checksum holds, so it is no write that was cut short.
        let Ok(record) = Record::read(payload) else {
            return End::Unknown;
        };
        let is_step = record.sequence().is_some();
        match record.sequence() {
            Some(sequence) if sequence != next => return End::Torn { at },
            Some(sequence) if sequence <= image.position.sequence => {}
            Some(_) | None => image.apply(record),
        }
        next += u64::from(is_step);
        body = body.get(length..).unwrap_or_default();
    }
}

/// Returns the snapshot of an image.
pub(crate) fn snapshot(image: &Image) -> Vec<u8> {
    let epoch = image.position.epoch;
    let mut out = Name::snapshot(image.position).head().to_vec();
    let mut frames = 0_u64;
    let mut put = |write: &dyn Fn(&mut Vec<u8>)| {
        put_frame(&mut out, epoch, write);
        frames += 1;
    };
    put(&|out| {
        out.push(kind::TOTALS);
        put_uint(out, image.open_holds.into());
    });
    for (epoch, sequence) in &image.applied {
        put(&|out| {
            out.push(kind::APPLIED);
            put_uint(out, (*epoch).into());
            put_uint(out, (*sequence).into());
        });
    }
    for (key, tally) in &image.balances {
        put(&|out| {
            out.push(kind::BALANCE);
            put_carried(out, &tally.carried(key));
        });
    }
    for (number, hold) in &image.holds {
        put(&|out| put_hold(out, *number, hold));
    }
    for ended in &image.ended {
        put(&|out| put_ended(out, ended));
    }
    put_frame(&mut out, epoch, |out| {
        out.push(kind::END);
        put_uint(out, frames.into());
    });
    out
}

fn put_hold(out: &mut Vec<u8>, number: u64, hold: &OpenHold) {
    out.push(kind::HOLD);
    put_uint(out, number.into());
    put_text(out, &hold.name);
    put_uint(out, hold.opened.0.into());
    put_uint(out, hold.shares.len() as u128);
    for share in &hold.shares {
        put_key(out, &share.balance);
        put_uint(out, share.held);
        put_uint(out, share.floor.into());
    }
}

fn put_ended(out: &mut Vec<u8>, ended: &Ended) {
    out.push(kind::ENDED);
    put_text(out, &ended.name);
    put_text(out, &ended.owner);
    put_uint(out, ended.opened.0.into());
    for unit in ENDED_IN {
        put_uint(out, ended.amounts.of(unit).unwrap_or(0).into());
    }
}

/// Reads a snapshot.
///
/// # Errors
///
/// The snapshot is damaged, or in an unknown format.
pub(crate) fn read_snapshot(name: Name, content: &[u8]) -> Result<Image, Unread> {
    let mut body = name.body(content)?;
    let mut image = Image {
        position: name.position,
        ..Image::default()
    };
    let mut frames = 0;
    let next = |body| next_frame(body, name.position.epoch).map_err(|Bad| Unread::Damaged);
    while let Some((payload, length)) = next(body)? {
        body = body.get(length..).unwrap_or_default();
        // Its checksum holds, so what can't be read was written so.
        let told = image.take_in(payload).map_err(|Bad| Unread::Unknown)?;
        if let Some(told) = told {
            let whole = told == frames && body.is_empty();
            return if whole {
                Ok(image)
            } else {
                Err(Unread::Damaged)
            };
        }
        frames += 1;
    }
    Err(Unread::Damaged)
}

// === impl Image ===

impl Image {
    /// Takes in the record of a frame. Returns the number of frames before it if it is the last one.
    fn take_in(&mut self, payload: &[u8]) -> Result<Option<u64>, Bad> {
        let mut reader = Reader(payload);
        let mut told = None;
        match reader.byte()? {
            kind::TOTALS => self.open_holds = reader.small()?,
            kind::APPLIED => {
                let (epoch, sequence) = (reader.small()?, reader.small()?);
                self.applied.insert(epoch, sequence);
            }
            kind::BALANCE => {
                let carried = reader.carried()?;
                let (key, tally) = Tally::of(carried);
                self.balances.insert(key, tally);
            }
            kind::HOLD => {
                let (number, hold) = reader.open_hold()?;
                self.holds.insert(number, hold);
            }
            kind::ENDED => self.ended.push_back(reader.ended()?),
            kind::END => told = Some(reader.small()?),
            _ => return Err(Bad),
        }
        reader.end()?;
        Ok(told)
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn open_hold(&mut self) -> Result<(u64, OpenHold), Bad> {
        let number = self.small()?;
        let hold = OpenHold {
            name: self.text()?,
            opened: UnixMillis(self.small()?),
            shares: (0..self.small()?)
                .map(|_| self.share())
                .collect::<Result<_, _>>()?,
        };
        Ok((number, hold))
    }

    fn ended(&mut self) -> Result<Ended, Bad> {
        let (name, owner, opened) = (self.text()?, self.text()?, self.small()?);
        let mut amounts = [0; ENDED_IN.len()];
        for amount in &mut amounts {
            *amount = self.small()?;
        }
        let of = |unit| ENDED_IN.iter().zip(amounts).find(|(of, _)| **of == unit);
        Ok(Ended {
            name,
            owner,
            opened: UnixMillis(opened),
            amounts: Amounts::by_unit(|unit| of(unit).map_or(0, |(_, amount)| amount)),
        })
    }

    fn share(&mut self) -> Result<HeldShare, Bad> {
        Ok(HeldShare {
            balance: self.key()?,
            held: self.uint()?,
            floor: self.small()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_none() {
        let position = Position {
            epoch: 3,
            sequence: u64::MAX,
        };
        for name in [Name::snapshot(position), Name::segment(3, 1)] {
            assert_eq!(Name::parse(&name.to_string()), Some(name), "{name}");
        }
        for other in [
            "lock",
            "state.db",
            "1-2.log",
            "+000000000000001-0000000000000001.log",
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
