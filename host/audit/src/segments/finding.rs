//! The results of a check.

use std::fmt;
use std::path::PathBuf;

use crate::chain::Place;

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: PathBuf,
    /// The line in the file, counted from 1, or `None` for the file as a whole.
    pub line: Option<u64>,
    /// The finding.
    pub problem: Problem,
}

/// A problem of records, or something to know about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The record differs from what was written, or from the one before it.
    Changed(Place),
    /// Records before this one are missing: the first and the last.
    Missing(Place, Place),
    /// The record is not where it was written, or twice.
    Reordered(Place),
    /// The line is not covered by the chain.
    Foreign,
    /// Segments are missing: the first and the last.
    SegmentsMissing(u64, u64),
    /// The segment does not go on where the one before ended.
    Apart(u64),
    /// The compressed file has another number of records or another hash than its seal says, so that its end is missing.
    Unsealed(u64),
    /// The segment was written anew, and no later record tells of it.
    Unannounced(u64),
    /// The file can't be read as a compressed one.
    Unreadable(String),
    /// Fields were removed from the segment by these rules, as a later record says. Not a problem.
    Without(u64, String),
    /// The lines of the file are from before there were chains, so that nothing can be told of them. Not a problem.
    Unchained(u64),
    /// Bytes that are no record, such as a line that a crash cut, are there as the chain says. Not a problem.
    Cut(u64),
    /// Bytes at the end are no record yet. Not a problem: the next record covers them.
    CutAtEnd(u64),
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of segments.
    pub segments: u64,
    /// The number of records.
    pub records: u64,
    /// The number of their bytes, uncompressed.
    pub bytes: u64,
    /// The first and the last record.
    pub range: Option<(Place, Place)>,
    /// The hash of the last record, by which a copy of it elsewhere can tell that nothing was cut off at the end.
    pub hash: Option<String>,
    /// Set if a record has the hash that was asked for, or none was.
    pub has_hash: bool,
    /// The findings, at most a thousand.
    pub findings: Vec<Finding>,
    /// The number of problems.
    pub problems: u64,
}

// === impl Report ===

impl Report {
    /// Returns whether everything is as it was written.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.problems == 0
    }
}

// === impl Problem ===

impl Problem {
    /// Returns whether the files are not as they were written.
    #[must_use]
    pub fn is_serious(&self) -> bool {
        !matches!(
            self,
            Self::Without(..) | Self::Unchained(_) | Self::Cut(_) | Self::CutAtEnd(_)
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(place) => write!(f, "record {place} was changed"),
            Self::Missing(first, last) if first == last => write!(f, "record {first} is missing"),
            Self::Missing(first, last) => write!(f, "records {first} to {last} are missing"),
            Self::Reordered(place) => write!(f, "record {place} is out of order"),
            Self::Foreign => {
                f.write_str("a line that was not written by the gateway, or was changed")
            }
            Self::SegmentsMissing(first, last) if first == last => {
                write!(f, "segment {first} is missing before this one")
            }
            Self::SegmentsMissing(first, last) => {
                write!(f, "segments {first} to {last} are missing before this one")
            }
            Self::Apart(segment) => {
                write!(f, "segment {segment} does not follow the one before it")
            }
            Self::Unsealed(segment) => {
                write!(
                    f,
                    "segment {segment} is not what its seal says: records at its end are missing or were changed"
                )
            }
            Self::Unannounced(segment) => write!(
                f,
                "segment {segment} was written anew, and no later record says so"
            ),
            Self::Without(segment, rules) => write!(
                f,
                "fields were removed from segment {segment} by the rule {rules}, as a later record says"
            ),
            Self::Unreadable(error) => write!(f, "the file can't be read: {error}"),
            Self::Unchained(lines) => write!(
                f,
                "{lines} receipts from before there were chains, which can't be checked"
            ),
            Self::Cut(bytes) => write!(
                f,
                "{bytes} bytes of a line that was cut, as the next record says"
            ),
            Self::CutAtEnd(bytes) => write!(
                f,
                "{bytes} bytes of a line that was cut; the next record will cover them"
            ),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.segment, self.record)
    }
}
