//! The check of a file's segments: each record by its hash and its place, and each segment by the one before.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Problem, Report};
use super::read::Reader;
use super::seal::{self, Seal};
use super::{Form, Found, earlier, find};
use crate::chain::{Chained, Link, Note, Place};

/// The findings that are kept; further ones are counted.
const MAX_FINDINGS: usize = 1_000;

/// The state of a check.
struct Check {
    report: Report,
    /// The hash that a record should have.
    wanted: Option<Link>,
    path: PathBuf,
    line: u64,
    /// The number of the segment that is read.
    segment: u64,
    /// The last record in its place.
    last: Option<Seal>,
    /// The rules that the first record of the segment names.
    without: Option<String>,
    /// Segments from which fields were removed.
    rewritten: Vec<Rewritten>,
    /// The last hashes of such segments, as later records tell. A record is written before its segment takes the place of an
    /// earlier form, so that form fits, too.
    announced: HashSet<(u64, Link)>,
    /// Bytes that are no record: the line at which they begin, and they.
    loose: Option<(u64, Vec<u8>)>,
}

/// A segment from which fields were removed.
struct Rewritten {
    segment: u64,
    link: Link,
    path: PathBuf,
    rules: String,
}

/// Checks a file and its closed segments. `hash` is that of a record that has to be among them.
///
/// # Errors
///
/// The system's error. What the files have wrong is in the report.
pub fn verify(base: &Path, hash: Option<&str>) -> io::Result<Report> {
    let mut check = Check {
        report: Report {
            has_hash: hash.is_none(),
            ..Report::default()
        },
        wanted: hash.and_then(|hash| hash.parse().ok()),
        path: base.to_owned(),
        line: 0,
        segment: 0,
        last: None,
        without: None,
        rewritten: Vec::new(),
        announced: HashSet::new(),
        loose: None,
    };
    let Found {
        closed,
        open,
        number,
    } = find(base)?;
    for path in earlier(base)? {
        check.begin(&path, None);
        let count = lines_of(&path)?;
        check.found(None, Problem::Unchained(count));
    }
    for closed in closed {
        check.begin(&closed.path, Some(closed.number));
        // One file for both, whose place another one may take meanwhile.
        let (file, form) = closed.open(base)?;
        let seal = match form {
            Form::Compressed => Some(seal::read(&file)?),
            Form::Plain => None,
        };
        if let Err(error) = Reader::of_form(file, form, 0).and_then(|reader| check.read(reader)) {
            check.found(None, Problem::Unreadable(error.to_string()));
        }
        check.end_of_closed();
        if let Some(seal) = seal
            && seal != check.last
        {
            check.found(None, Problem::Unsealed(closed.number));
        }
    }
    if let Some(file) = open {
        check.begin(base, number);
        check.read(Reader::plain(file))?;
        check.end_of_open();
    }
    check.end();
    let mut report = check.report;
    report.hash = check.last.map(|last| last.link.as_str().to_owned());
    Ok(report)
}

/// Returns the number of lines of a file from before there were chains.
fn lines_of(path: &Path) -> io::Result<u64> {
    let (mut reader, mut line, mut count) = (Reader::file(path, 0)?, Vec::new(), 0);
    while reader.read(&mut line)? {
        count += 1;
    }
    Ok(count)
}

// === impl Check ===

impl Check {
    fn found(&mut self, line: Option<u64>, problem: Problem) {
        self.report.problems += u64::from(problem.is_serious());
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding {
                path: self.path.clone(),
                line,
                problem,
            });
        }
    }

    fn begin(&mut self, path: &Path, number: Option<u64>) {
        self.path = path.to_owned();
        self.line = 0;
        let Some(number) = number else {
            return;
        };
        if self.segment != 0 && number > self.segment + 1 {
            self.found(None, Problem::SegmentsMissing(self.segment + 1, number - 1));
        }
        self.segment = number;
    }

    fn read(&mut self, mut reader: Reader) -> io::Result<()> {
        let mut line = Vec::new();
        while reader.read(&mut line)? {
            self.line += 1;
            self.report.bytes += line.len() as u64 + 1;
            match Chained::read(&line) {
                Some(record) => self.record(&record),
                None => match &mut self.loose {
                    Some((_, loose)) => {
                        loose.push(b'\n');
                        loose.extend_from_slice(&line);
                    }
                    None => self.loose = Some((self.line, line.clone())),
                },
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &Chained<'_>) {
        self.report.records += 1;
        let hashes = [record.link, record.original()];
        self.report.has_hash |= self.wanted.is_some_and(|wanted| hashes.contains(&wanted));
        self.covers(record);
        let place = record.place;
        let at = Some(self.line);
        let is_first = self
            .last
            .is_none_or(|last| last.place.segment != self.segment);
        self.report.segments += u64::from(is_first);
        let expected = match self.last {
            Some(last) if !is_first => last.place.record + 1,
            _ => 1,
        };
        if place.segment != self.segment || place.record < expected {
            self.found(at, Problem::Reordered(place));
            return;
        }
        if place.record > expected {
            let (first, last) = (place.record - 1, expected);
            let of = |record| Place { record, ..place };
            self.found(at, Problem::Missing(of(last), of(first)));
        } else if is_first {
            self.first(record);
        } else if self
            .last
            .is_some_and(|last| record.expected(&last.link) != record.link)
        {
            self.found(at, Problem::Changed(place));
        }
        let range = self.report.range.get_or_insert((place, place));
        range.1 = place;
        self.last = Some(Seal::of(record));
        self.heed(&record.notes);
    }

    /// Checks the first record of a segment.
    fn first(&mut self, record: &Chained<'_>) {
        let at = Some(self.line);
        let after = record.after();
        if record.expected(&after.unwrap_or(Link::ZERO)) != record.link {
            self.found(at, Problem::Changed(record.place));
        }
        let follows = match self.last {
            // Segments between are missing, which has been told.
            Some(last) if last.place.segment + 1 != record.place.segment => true,
            Some(last) => after == Some(last.original),
            None => after.is_some() || record.place.segment == 1,
        };
        if !follows {
            self.found(at, Problem::Apart(record.place.segment));
        }
    }

    /// Checks what is before a record and none itself.
    fn covers(&mut self, record: &Chained<'_>) {
        let covered = record.notes.iter().find_map(|note| match note {
            Note::Torn(bytes, link) => Some((*bytes, *link)),
            Note::After(_) | Note::Was(_) | Note::Without(_) | Note::Rewrote(..) => None,
        });
        match (self.loose.take(), covered) {
            (None, None) => {}
            (Some((line, loose)), Some(covered))
                if covered == (loose.len() as u64, Link::of(&[&loose])) =>
            {
                self.found(Some(line), Problem::Cut(covered.0));
            }
            (Some((line, _)), _) => self.found(Some(line), Problem::Foreign),
            (None, Some(_)) => self.found(Some(self.line), Problem::Changed(record.place)),
        }
    }

    /// Takes over what notes say of fields that were removed.
    fn heed(&mut self, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Rewrote(segment, link) => {
                    self.announced.insert((*segment, *link));
                }
                Note::Without(rules) => self.without = Some(rules.clone()),
                Note::After(_) | Note::Torn(..) | Note::Was(_) => {}
            }
        }
    }

    fn end_of_closed(&mut self) {
        if let (Some(rules), Some(last)) = (self.without.take(), self.last) {
            self.rewritten.push(Rewritten {
                segment: self.segment,
                link: last.link,
                path: self.path.clone(),
                rules,
            });
        }
        if let Some((line, _)) = self.loose.take() {
            self.found(Some(line), Problem::Foreign);
        }
    }

    /// Compares the segments from which fields were removed with what later records say.
    fn end(&mut self) {
        for rewritten in std::mem::take(&mut self.rewritten) {
            let Rewritten {
                segment,
                link,
                path,
                rules,
            } = rewritten;
            self.path = path;
            let is_announced = self.announced.contains(&(segment, link));
            let problem = match is_announced {
                true => Problem::Without(segment, rules),
                false => Problem::Unannounced(segment),
            };
            self.found(None, problem);
        }
    }

    fn end_of_open(&mut self) {
        if let Some((line, loose)) = self.loose.take() {
            self.found(Some(line), Problem::CutAtEnd(loose.len() as u64));
        }
    }
}
