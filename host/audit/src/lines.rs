//! Lines for a sink.

/// A number of whole lines, each ending in a newline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    count: usize,
}

// === impl Lines ===

impl Lines {
    /// Creates an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
        }
    }

    /// Makes room for so many bytes, so that lines are added without copying those before them.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Adds one line. Newlines inside it become spaces, which are equivalent in JSON; it needs no newline at its end.
    pub fn push(&mut self, line: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(line));
    }

    /// Adds the line that `write` appends to the buffer. It must not change bytes already in the buffer.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > start && self.bytes.ends_with(b"\n") {
            self.bytes.pop();
        }
        let mut rest = self.bytes.get_mut(start..).unwrap_or_default();
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, later) = rest.split_at_mut(at + 1);
            line.iter_mut().skip(at).for_each(|byte| *byte = b' ');
            rest = later;
        }
        self.bytes.push(b'\n');
        self.count += 1;
    }

    /// Returns the number of lines.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Returns the lines as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.bytes.append(&mut other.bytes);
        self.count += other.count;
    }

    /// Removes and returns the lines that end within the first `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Self {
        let within = self
            .bytes
            .get(..len.min(self.bytes.len()))
            .unwrap_or_default();
        let end = memchr::memrchr(b'\n', within).map_or(0, |at| at + 1);
        let rest = self.bytes.split_off(end);
        let bytes = std::mem::replace(&mut self.bytes, rest);
        let count = memchr::memchr_iter(b'\n', &bytes).count();
        self.count = self.count.saturating_sub(count);
        Self { bytes, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_whatever_is_in_it() {
        let mut lines = Lines::new();
        for line in ["{\n \"a\": 1\n}", "{}\n", "", "\n", "\n\n"] {
            lines.push(line.as_bytes());
        }
        assert_eq!(
            lines.as_bytes(),
            b"{  \"a\": 1 }\n{}\n\n\n \n",
            "newlines end lines and are nowhere else"
        );
        assert_eq!(lines.count(), 5, "as many lines as were pushed");
    }

    #[test]
    fn lines_are_taken_whole() {
        let mut lines = Lines::new();
        lines.push(b"one");
        lines.push(b"two");
        assert_eq!(
            lines.clone().take(3).count(),
            0,
            "the first line does not fit without its newline"
        );
        let taken = lines.take(7);
        assert_eq!(
            (taken.as_bytes(), taken.count()),
            (&b"one\n"[..], 1),
            "only the first fits"
        );
        assert_eq!(
            (lines.as_bytes(), lines.count()),
            (&b"two\n"[..], 1),
            "the second stays"
        );
    }
}
