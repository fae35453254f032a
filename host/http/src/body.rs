//! The content of a body in the bytes of a connection (RFC 9112, sections 6 and 7).

use bytes::{Buf, Bytes, BytesMut};

/// Longest line with the size of a chunk and its extensions, in bytes.
const MAX_SIZE_LINE: usize = 4 * 1024;

/// Longest trailers, in bytes. They are dropped: HTTP/1.1 clients would have to ask for them.
const MAX_TRAILERS: usize = 64 * 1024;

/// The part of a body that has not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks(Chunk),
    /// All bytes until the connection is closed.
    UntilClose,
}

/// The next part of a body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// The line with a size.
    Size,
    /// So many bytes of a chunk.
    Content(u64),
    /// The end of the line behind a chunk.
    ContentEnd,
    /// The lines behind the last chunk, of which so many bytes have been dropped.
    Trailers(usize),
    /// The end of the body.
    End,
}

/// Bytes that are not framed as RFC 9112 demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadChunk {
    /// The size of a chunk is no hexadecimal number.
    #[error("the size of a chunk is not a number")]
    Size,
    /// The content of a chunk does not end where its size says.
    #[error("a chunk is longer or shorter than its size")]
    Content,
    /// The line with a size is too long.
    #[error("the line with the size of a chunk is longer than {MAX_SIZE_LINE} bytes")]
    SizeLine,
    /// The trailers are too long.
    #[error("the trailers are longer than {MAX_TRAILERS} bytes")]
    Trailers,
}

// === impl Rest ===

impl Rest {
    /// Returns whether the end has been read.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunks(Chunk::End))
    }

    /// Takes all content at the front of `read` as one piece. Returns an empty piece if more has to be read first, or if there is
    /// no more.
    ///
    /// # Errors
    ///
    /// The chunks are not framed as they have to be.
    pub fn take(&mut self, read: &mut BytesMut) -> Result<Bytes, BadChunk> {
        match self {
            Self::UntilClose => Ok(read.split().freeze()),
            Self::Length(left) => {
                let count = usize::try_from(*left).map_or(read.len(), |left| left.min(read.len()));
                *left -= count as u64;
                Ok(read.split_to(count).freeze())
            }
            Self::Chunks(next) => take_chunks(next, read),
        }
    }
}

/// Takes the content of all chunks at the front of `read`, moved together.
fn take_chunks(next: &mut Chunk, read: &mut BytesMut) -> Result<Bytes, BadChunk> {
    // What lies before `from` has been read, and its content moved to the bytes from `begin` to `end`.
    let (mut begin, mut end, mut from) = (0, 0, 0);
    loop {
        let rest = read.get(from..).unwrap_or_default();
        match *next {
            Chunk::Size => {
                let Some((line, size)) = size(rest)? else {
                    break;
                };
                from += line;
                *next = match size {
                    0 => Chunk::Trailers(0),
                    size => Chunk::Content(size),
                };
            }
            Chunk::Content(left) => {
                let count = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                if count == 0 {
                    break;
                }
                if begin == end {
                    (begin, end) = (from, from);
                }
                read.copy_within(from..from + count, end);
                end += count;
                from += count;
                *next = match left - count as u64 {
                    0 => Chunk::ContentEnd,
                    left => Chunk::Content(left),
                };
            }
            Chunk::ContentEnd => match rest {
                [b'\r', b'\n', ..] => {
                    from += 2;
                    *next = Chunk::Size;
                }
                [] | [b'\r'] => break,
                _ => return Err(BadChunk::Content),
            },
            Chunk::Trailers(dropped) => {
                let Some(line) = memchr::memchr(b'\n', rest).map(|at| at + 1) else {
                    if dropped + rest.len() > MAX_TRAILERS {
                        return Err(BadChunk::Trailers);
                    }
                    break;
                };
                from += line;
                let is_last = matches!(rest.get(..line), Some(b"\r\n" | b"\n"));
                *next = match dropped + line {
                    _ if is_last => Chunk::End,
                    MAX_TRAILERS.. => return Err(BadChunk::Trailers),
                    dropped => Chunk::Trailers(dropped),
                };
            }
            Chunk::End => break,
        }
    }
    read.advance(begin);
    let content = read.split_to(end - begin).freeze();
    read.advance(from.max(end) - end);
    Ok(content)
}

/// Reads a line with the size of a chunk. Returns its length and the size, or `None` if there is no whole line.
fn size(bytes: &[u8]) -> Result<Option<(usize, u64)>, BadChunk> {
    if bytes.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
        return Err(BadChunk::Size);
    }
    match httparse::parse_chunk_size(bytes) {
        Ok(httparse::Status::Complete((line, _))) if line > MAX_SIZE_LINE => {
            Err(BadChunk::SizeLine)
        }
        Ok(httparse::Status::Complete(read)) => Ok(Some(read)),
        Ok(httparse::Status::Partial) if bytes.len() > MAX_SIZE_LINE => Err(BadChunk::SizeLine),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(BadChunk::Size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"5\r\nhello\r\n1;x=\"y\"\r\n \r\nA \r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\nHTTP";

    /// Reads a body that arrives in pieces of these lengths, over and over. Returns its content, and the bytes behind it.
    fn read(
        mut rest: Rest,
        wire: &[u8],
        lengths: &[usize],
    ) -> Result<(Vec<u8>, Vec<u8>), BadChunk> {
        let (mut content, mut buffer, mut wire) = (Vec::new(), BytesMut::new(), wire);
        for length in lengths.iter().cycle() {
            let (piece, later) = wire.split_at((*length).min(wire.len()));
            wire = later;
            buffer.extend_from_slice(piece);
            content.extend_from_slice(&rest.take(&mut buffer)?);
            if rest.is_done() || piece.is_empty() {
                break;
            }
        }
        Ok((content, buffer.iter().chain(wire).copied().collect()))
    }

    #[test]
    fn chunks_give_their_content_however_they_are_split() {
        for first in 1..CHUNKED.len() {
            for second in [1, 2, 3, 7, CHUNKED.len()] {
                let read = read(Rest::Chunks(Chunk::Size), CHUNKED, &[first, second]);
                let (content, behind) = read.expect("it is well framed");
                assert_eq!(content, b"hello 0123456789", "{first}, {second}");
                assert_eq!(behind, b"HTTP", "{first}, {second}: not a byte further");
            }
        }
    }

    #[test]
    fn all_chunks_that_have_come_are_one_piece() {
        let mut rest = Rest::Chunks(Chunk::Size);
        let mut buffer = BytesMut::from(&b"3\r\nabc\r\n2\r\nde\r\n4\r\nfg"[..]);
        assert_eq!(rest.take(&mut buffer).expect("a piece"), "abcdefg");
        assert!(buffer.is_empty(), "nothing is read twice");
        buffer.extend_from_slice(b"hi\r\n0\r\n\r\n");
        assert_eq!(rest.take(&mut buffer).expect("a piece"), "hi");
        assert!(rest.is_done(), "the end came with it");
    }

    #[test]
    fn wrong_chunks_are_refused() {
        let long = [b"1;".repeat(MAX_SIZE_LINE), b"\r\n".to_vec()].concat();
        let trailers = [b"0\r\n".to_vec(), b"a: b\r\n".repeat(MAX_TRAILERS)].concat();
        for (wire, wanted) in [
            (&b"\r\n"[..], BadChunk::Size),
            (b"x\r\n", BadChunk::Size),
            (b"-1\r\n", BadChunk::Size),
            (b"1\rx", BadChunk::Size),
            (b"11111111111111111\r\n", BadChunk::Size),
            (b"2\r\nabc", BadChunk::Content),
            (b"2\r\nab\n0\r\n", BadChunk::Content),
            (&long, BadChunk::SizeLine),
            (&trailers, BadChunk::Trailers),
        ] {
            for length in [1, 5, wire.len()] {
                let read = read(Rest::Chunks(Chunk::Size), wire, &[length]);
                let shown = String::from_utf8_lossy(wire.get(..20).unwrap_or(wire));
                assert_eq!(read, Err(wanted), "{shown:?} by {length}");
            }
        }
    }

    #[test]
    fn a_length_ends_and_a_close_does_not() {
        let (content, behind) = read(Rest::Length(5), b"helloHTTP", &[2]).expect("a body");
        assert_eq!((&content[..], &behind[..]), (&b"hello"[..], &b"HTTP"[..]));
        let (content, behind) = read(Rest::UntilClose, b"hello", &[2]).expect("a body");
        assert_eq!((&content[..], &behind[..]), (&b"hello"[..], &b""[..]));
        assert!(Rest::Length(0).is_done(), "an empty body");
        assert!(!Rest::UntilClose.is_done(), "only the close ends it");
    }
}
