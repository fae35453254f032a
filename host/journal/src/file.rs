//! The names of segments and snapshots, their heads, and the steps of a segment.
//!
//! Both begin with a head that names the epoch and a step: the first one of a segment, the last one that a snapshot
//! contains. A segment goes on with a frame for each step.

use std::fmt;

use witgate_ledger::Position;

use crate::codec::{Bad, next_frame};
use crate::image::Image;
use crate::record::Record;

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
    pub(crate) fn body(self, content: &[u8]) -> Result<&[u8], Unread> {
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

/// Makes the steps of a segment, beginning with those that the image does not contain yet, and tells `hear` of each. Returns its
/// end.
pub(crate) fn replay(
    name: Name,
    content: &[u8],
    image: &mut Image,
    hear: &mut dyn FnMut(&Record),
) -> End {
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
            Some(_) | None => {
                hear(&record);
                image.apply(record);
            }
        }
        next += u64::from(is_step);
        body = body.get(length..).unwrap_or_default();
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
