//! Compressed segments: their lines, and a seal at the end, which readers of compressed files skip.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use super::unfinished;
use crate::chain::{Chained, Link, Place};

/// The magic number of a frame that decoders skip.
const SKIPPED: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// The bytes of a seal's text.
const TEXT: usize = 128;

/// The same as a frame says it.
const TEXT_LENGTH: u32 = 128;

/// The bytes of a frame that decoders skip, before its content.
const HEAD: usize = 8;

const NAME: &str = "witgate-seal";

/// The name of the frame before a seal that has the hash of the last record before fields were removed.
const WAS: &str = "witgate-was";

/// The seal of a segment: its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) place: Place,
    pub(super) link: Link,
    /// The hash that the record was written with, from which the next segment goes on.
    pub(super) original: Link,
}

const LEVEL: i32 = 3;

/// A compressed segment that is being written.
pub(super) struct Sealing {
    encoder: zstd::Encoder<'static, File>,
}

// === impl Seal ===

impl Seal {
    pub(super) fn of(last: &Chained<'_>) -> Self {
        Self {
            place: last.place,
            link: last.link,
            original: last.original(),
        }
    }
}

// === impl Sealing ===

impl Sealing {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        let mut encoder = zstd::Encoder::new(file, LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.encoder.write_all(bytes)
    }

    /// Writes the seal. The file keeps the time at which its segment was closed.
    pub(super) fn finish(self, seal: &Seal, closed: SystemTime) -> io::Result<()> {
        let mut file = self.encoder.finish()?;
        let Seal {
            place,
            link,
            original,
        } = seal;
        let mut frames = Vec::with_capacity(2 * (HEAD + TEXT));
        if original != link {
            add_frame(&mut frames, &format!("{WAS} {}", original.as_str()));
        }
        add_frame(&mut frames, &format!("{NAME} {place} {}", link.as_str()));
        file.write_all(&frames)?;
        file.set_modified(closed)?;
        file.sync_all()
    }
}

/// Appends a frame that decoders skip.
fn add_frame(frames: &mut Vec<u8>, text: &str) {
    frames.extend_from_slice(&SKIPPED);
    frames.extend_from_slice(&TEXT_LENGTH.to_le_bytes());
    frames.extend_from_slice(format!("{text:<TEXT$}").as_bytes());
}

/// Returns the seal of a compressed segment, or `None` if it has none.
pub(super) fn read(file: &File) -> io::Result<Option<Seal>> {
    let Some(last) = read_frame(file, 1)? else {
        return Ok(None);
    };
    let was = read_frame(file, 2)?;
    let was = was.as_deref().and_then(|text| text.strip_prefix(WAS));
    let original = was.and_then(|was| was.trim_ascii().parse().ok());
    Ok(parse(&last, original))
}

/// Returns the text of one of the frames at the end, counted from there, or `None` if there is none.
fn read_frame(file: &File, number: u64) -> io::Result<Option<String>> {
    let from_end = number * (HEAD + TEXT) as u64;
    let Some(at) = file.metadata()?.len().checked_sub(from_end) else {
        return Ok(None);
    };
    let mut frame = [0; HEAD + TEXT];
    file.read_exact_at(&mut frame, at)?;
    let text = frame.strip_prefix(&SKIPPED).and_then(|rest| rest.get(4..));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    Ok(text.map(str::to_owned))
}

fn parse(text: &str, original: Option<Link>) -> Option<Seal> {
    let mut words = text.split_ascii_whitespace();
    if words.next() != Some(NAME) {
        return None;
    }
    let (segment, record) = words.next()?.split_once('.')?;
    let link = words.next()?.parse().ok()?;
    Some(Seal {
        place: Place {
            segment: segment.parse().ok()?,
            record: record.parse().ok()?,
        },
        link,
        original: original.unwrap_or(link),
    })
}

/// Compresses a closed segment, and deletes the plain file.
pub(super) fn seal(plain: &Path, to: &Path) -> io::Result<()> {
    // Another process may be at it, or be done with it.
    let file = match File::open(plain) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    if file.try_lock().is_err() || file.metadata()?.nlink() == 0 {
        return Ok(());
    }
    let closed = file.metadata()?.modified()?;
    let unfinished = unfinished(to);
    let mut sealing = Sealing::create(&unfinished)?;
    let mut last = None;
    let mut reader = BufReader::with_capacity(1 << 18, &file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        sealing.write(&line)?;
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Some(chained) = Chained::read(text) {
            last = Some(Seal::of(&chained));
        }
        line.clear();
    }
    let last = last.ok_or_else(|| io::Error::other("the segment has no record"))?;
    sealing.finish(&last, closed)?;
    fs::rename(&unfinished, to)?;
    sync_folder(to)?;
    remove(plain)
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes names survive a loss of power.
pub(super) fn sync_folder(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Returns a reader of a compressed segment's lines.
pub(super) fn lines(file: File) -> io::Result<impl Read> {
    zstd::Decoder::new(file)
}
