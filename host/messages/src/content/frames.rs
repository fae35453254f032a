//! Division of a stream into events with all their bytes, line ends and comments included.

/// The bytes of the event that has not ended yet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    gathered: Vec<u8>,
    line: Line,
}

/// The position at the end of the last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    /// At the beginning of a line.
    #[default]
    Start,
    /// At the beginning of a line, after a CR: an LF would belong to it.
    AfterCr,
    Middle,
}

// === impl Frames ===

impl Frames {
    /// Size in bytes above which a buffer is freed after its event.
    const MAX_IDLE: usize = 16 << 10;

    /// Returns the number of bytes kept.
    pub(super) fn len(&self) -> usize {
        self.gathered.len()
    }

    /// Reads the next chunk and passes on each event that ends in it, with the empty line after it. Together with
    /// [`Frames::take`] these are all bytes of the stream in order.
    ///
    /// # Errors
    /// What `each` returns. The rest of the chunk is dropped.
    pub(super) fn feed<E>(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut begin = 0;
        let mut at = 0;
        if self.line == Line::AfterCr && chunk.first() == Some(&b'\n') {
            at = 1;
            self.line = Line::Start;
        }
        while let Some(found) = memchr::memchr2(b'\n', b'\r', chunk.get(at..).unwrap_or_default()) {
            let ends_event = found == 0 && self.line != Line::Middle;
            let end = at + found;
            let (after, line) = match (chunk.get(end), chunk.get(end + 1)) {
                (Some(b'\r'), Some(b'\n')) => (end + 2, Line::Start),
                (Some(b'\r'), None) => (end + 1, Line::AfterCr),
                _ => (end + 1, Line::Start),
            };
            (at, self.line) = (after, line);
            if ends_event {
                let event = chunk.get(begin..at).unwrap_or_default();
                begin = at;
                if self.gathered.is_empty() {
                    each(event)?;
                } else {
                    let mut whole = std::mem::take(&mut self.gathered);
                    whole.extend_from_slice(event);
                    each(&whole)?;
                    if whole.capacity() <= Self::MAX_IDLE {
                        whole.clear();
                        self.gathered = whole;
                    }
                }
            }
        }
        if at < chunk.len() {
            self.line = Line::Middle;
        }
        self.gathered
            .extend_from_slice(chunk.get(begin..).unwrap_or_default());
        Ok(())
    }

    /// Returns the bytes of an event that has not ended.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.gathered)
    }
}
