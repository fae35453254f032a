//! Compressed segments: their lines, and a seal at the end, which readers of compressed files skip.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use super::unfinished;
use crate::chain::{Chained, End, Place};

/// The magic number of a frame that decoders skip.
const SKIPPED: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();

/// The bytes of a seal's text.
const TEXT: usize = 128;

/// The same as a frame says it.
const TEXT_LENGTH: u32 = 128;

/// The bytes of a frame that decoders skip, before its content.
const HEAD: usize = 8;

const NAME: &str = "witgate-seal";

const LEVEL: i32 = 3;

/// A compressed segment that is being written.
pub(super) struct Sealing {
    encoder: zstd::Encoder<'static, File>,
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
    pub(super) fn finish(self, last: &End, closed: SystemTime) -> io::Result<()> {
        let mut file = self.encoder.finish()?;
        let Place { segment, record } = last.place;
        let link = last.link.as_str();
        let text = format!("{NAME} {segment}.{record} {link}");
        let mut frame = Vec::with_capacity(HEAD + TEXT);
        frame.extend_from_slice(&SKIPPED);
        frame.extend_from_slice(&TEXT_LENGTH.to_le_bytes());
        frame.extend_from_slice(format!("{text:<TEXT$}").as_bytes());
        file.write_all(&frame)?;
        file.set_modified(closed)?;
        file.sync_all()
    }
}

/// Returns the last record by the seal of a compressed segment, or `None` if it has none.
pub(super) fn read(path: &Path) -> io::Result<Option<End>> {
    let file = File::open(path)?;
    let Some(at) = file.metadata()?.len().checked_sub((HEAD + TEXT) as u64) else {
        return Ok(None);
    };
    let mut frame = [0; HEAD + TEXT];
    file.read_exact_at(&mut frame, at)?;
    let text = frame.strip_prefix(&SKIPPED).and_then(|rest| rest.get(4..));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    Ok(text.and_then(parse))
}

fn parse(text: &str) -> Option<End> {
    let mut words = text.split_ascii_whitespace();
    if words.next() != Some(NAME) {
        return None;
    }
    let (segment, record) = words.next()?.split_once('.')?;
    Some(End {
        place: Place {
            segment: segment.parse().ok()?,
            record: record.parse().ok()?,
        },
        link: words.next()?.parse().ok()?,
        notes: Vec::new(),
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
            last = Some(End::at(&chained));
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
