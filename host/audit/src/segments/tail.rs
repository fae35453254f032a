//! The end of a segment, from which its chain goes on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Closed, Form, closed, seal};
use crate::chain::{Chained, End, Link};

/// The bytes that are read first, from the end. They are doubled until they have a record.
const WINDOW: u64 = 64 * 1024;

/// The end of a file.
pub(super) struct Tail {
    /// The last record, or `None` if there is none.
    pub(super) end: Option<End>,
    /// The number and the hash of the bytes after it.
    pub(super) loose: Option<(u64, Link)>,
    /// Set if the last byte is not the end of a line.
    pub(super) is_torn: bool,
    pub(super) len: u64,
}

/// Reads the end of an open segment.
pub(super) fn of(file: &File) -> io::Result<Tail> {
    let len = file.metadata()?.len();
    let mut window = WINDOW;
    loop {
        let from = len.saturating_sub(window);
        let size = usize::try_from(len - from).map_err(io::Error::other)?;
        let mut bytes = vec![0; size];
        file.read_exact_at(&mut bytes, from)?;
        let (end, loose) = last_of(&bytes);
        if end.is_none() && from > 0 {
            window = window.saturating_mul(2);
            continue;
        }
        let loose = loose.strip_suffix(b"\n").unwrap_or(loose);
        return Ok(Tail {
            end,
            loose: (!loose.is_empty()).then(|| (loose.len() as u64, Link::of(&[loose]))),
            is_torn: bytes.last().is_some_and(|last| *last != b'\n'),
            len,
        });
    }
}

/// Returns the last record, and the bytes after it.
fn last_of(bytes: &[u8]) -> (Option<End>, &[u8]) {
    let mut end = bytes.len();
    let mut before = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    loop {
        let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
        let line = before.get(start..).unwrap_or_default();
        if let Some(chained) = Chained::read(line) {
            let loose = bytes.get(end..).unwrap_or_default();
            return (Some(End::at(&chained)), loose);
        }
        if start == 0 {
            return (None, bytes);
        }
        end = start;
        before = bytes.get(..start - 1).unwrap_or_default();
    }
}

/// Returns the end of the newest closed segment, or `None` without one.
pub(super) fn newest(base: &Path) -> io::Result<Option<End>> {
    let Some(Closed { path, form, .. }) = closed(base)?.pop() else {
        return Ok(None);
    };
    match form {
        Form::Compressed => Ok(seal::read(&File::open(path)?)?.map(|seal| End {
            place: seal.place,
            link: seal.original,
            notes: Vec::new(),
        })),
        Form::Plain => Ok(of(&File::open(path)?)?.end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(text: &[u8]) -> Tail {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("receipts.jsonl");
        std::fs::write(&path, text).expect("it is written");
        of(&File::open(path).expect("it is there")).expect("it can be read")
    }

    #[test]
    fn what_follows_the_last_record_is_loose() {
        let mut whole = b"{\"a\":1".to_vec();
        let mut end = End::start(3, None);
        end.add(&whole.clone(), &mut whole);
        for (rest, loose, is_torn) in [
            ("", "", false),
            ("{\"b\":", "{\"b\":", true),
            ("{\"b\":\n", "{\"b\":", false),
            ("{\"b\":\n{\"c", "{\"b\":\n{\"c", true),
        ] {
            let tail = tail(&[&whole, rest.as_bytes()].concat());
            let found = tail.end.expect("the record");
            assert_eq!((found.place, found.link), (end.place, end.link), "{rest:?}");
            let expected =
                (!loose.is_empty()).then(|| (loose.len() as u64, Link::of(&[loose.as_bytes()])));
            assert_eq!(tail.loose, expected, "{rest:?}");
            assert_eq!(tail.is_torn, is_torn, "{rest:?}");
        }
        let cut = tail(whole.strip_suffix(b"\n").expect("a line"));
        assert!(
            cut.end.is_some() && cut.loose.is_none() && cut.is_torn,
            "whole but for its end"
        );
        let none = tail(b"{\"a\":1}\n");
        assert!(none.end.is_none(), "no record");
        assert_eq!(
            none.loose,
            Some((7, Link::of(&[b"{\"a\":1}"]))),
            "all of it"
        );
    }
}
