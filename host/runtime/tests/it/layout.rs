//! Texts, lists and records in a guest's memory, as the canonical ABI lays them out.

use std::fmt::Write as _;

/// The first address, behind all others that the tests use.
const BASE: usize = 32_768;

/// Data of a guest.
#[derive(Debug, Default)]
pub(crate) struct Layout(Vec<u8>);

/// The address and the length of a text or a list.
pub(crate) type Span = [u32; 2];

/// The words of a record. A smaller member takes the low bytes of its word.
pub(crate) type Words = Vec<u32>;

// === impl Layout ===

impl Layout {
    fn put(&mut self, bytes: &[u8]) -> u32 {
        let start = self.0.len().next_multiple_of(8);
        self.0.resize(start, 0);
        self.0.extend_from_slice(bytes);
        u32::try_from(BASE + start).unwrap()
    }

    pub(crate) fn text(&mut self, text: &str) -> Span {
        [
            self.put(text.as_bytes()),
            u32::try_from(text.len()).unwrap(),
        ]
    }

    pub(crate) fn list(&mut self, elements: &[Words]) -> Span {
        let words = elements.iter().flatten();
        let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
        [self.put(&bytes), u32::try_from(elements.len()).unwrap()]
    }

    pub(crate) fn texts(&mut self, texts: &[&str]) -> Span {
        let elements: Vec<Words> = texts.iter().map(|text| self.text(text).to_vec()).collect();
        self.list(&elements)
    }

    pub(crate) fn pairs(&mut self, pairs: &[(&str, &str)]) -> Span {
        let elements: Vec<Words> = pairs
            .iter()
            .map(|(name, value)| [self.text(name), self.text(value)].concat())
            .collect();
        self.list(&elements)
    }

    /// Returns the data as an item of a core module.
    pub(crate) fn data(&self) -> String {
        let mut text = format!("(data (i32.const {BASE}) \"");
        for byte in &self.0 {
            write!(text, "\\{byte:02x}").unwrap();
        }
        text + "\")"
    }
}

/// Stores words from an address on.
pub(crate) fn words(at: u32, words: &[u32]) -> String {
    let stores = (at..).step_by(4).zip(words);
    stores
        .map(|(at, word)| format!("(i32.store (i32.const {at}) (i32.const {word})) "))
        .collect()
}
