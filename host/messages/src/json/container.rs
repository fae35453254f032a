//! Skipping of objects and arrays.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
use super::block::{BLOCK, Classify, below, escaped};
use super::portable::Portable;
use super::{MAX_DEPTH, Malformed, MalformedKind};

/// Number of consecutive solid blocks (1 KiB without a blank, quote or escape) from which on a string is data, not text.
const SOLID_RUN: usize = 16;

/// Brackets in a word of [`Brackets`].
const IN_WORD: usize = 63;

/// Words that are full when [`MAX_DEPTH`] brackets are open.
const OUTER: usize = MAX_DEPTH / IN_WORD;

/// The empty word beyond them, which is full with the brackets that are left.
const LAST_FLOOR: u64 = 1 << (IN_WORD - MAX_DEPTH % IN_WORD);

/// The instructions that a scan uses. Both choices give the same results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanner {
    /// The widest instructions of the processor.
    Fastest,
    /// Ordinary registers only.
    Portable,
}

/// An object or array that was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Container {
    /// Position after the closing bracket.
    pub(crate) end: usize,
    /// Number of commas directly inside it.
    pub(crate) commas: usize,
    /// Bytes of base64 and similar data.
    pub(crate) solid: usize,
}

/// A stack of open brackets, in words, so that one is opened or closed in a few instructions.
struct Brackets {
    /// The innermost ones, the last one lowest, with one bit per bracket for its kind. A one stands above them.
    inner: u64,
    /// The value of `inner` without brackets.
    floor: u64,
    /// Full words further out, the outermost first.
    outer: [u64; OUTER],
    full: usize,
}

/// The state of a scan between blocks.
struct Scan<C> {
    classify: C,
    brackets: Brackets,
    /// All ones inside a string.
    in_string: u64,
    /// 1 after a backslash that escapes the next byte.
    escape: u64,
    commas: usize,
    solid: usize,
    run: usize,
}

/// Skips the object or array whose opening bracket stands at `start`.
pub(crate) fn skip(bytes: &[u8], start: usize, scanner: Scanner) -> Result<Container, Malformed> {
    #[cfg(target_arch = "x86_64")]
    if let (Scanner::Fastest, Some(avx2)) = (scanner, Avx2::detect()) {
        // The closure has to be inlined into code compiled for AVX2, hence the attributes all the way down.
        return avx2.run(
            #[inline(always)]
            |avx2| Scan::new(avx2).skip(bytes, start),
        );
    }
    let _ = scanner;
    Scan::new(Portable).skip(bytes, start)
}

// === impl Scan ===

impl<C: Classify> Scan<C> {
    #[inline(always)]
    fn new(classify: C) -> Self {
        Self {
            classify,
            brackets: Brackets::new(),
            in_string: 0,
            escape: 0,
            commas: 0,
            solid: 0,
            run: 0,
        }
    }

    #[inline(always)]
    fn skip(mut self, bytes: &[u8], start: usize) -> Result<Container, Malformed> {
        let (blocks, tail) = bytes.get(start..).unwrap_or_default().as_chunks::<BLOCK>();
        let mut base = start;
        for block in blocks {
            if let Some(end) = self.block(block, base)? {
                return Ok(self.done(end));
            }
            base += BLOCK;
        }
        // Blanks have no effect inside or outside of strings.
        let mut last = [b' '; BLOCK];
        for (to, from) in last.iter_mut().zip(tail) {
            *to = *from;
        }
        match self.block(&last, base)? {
            Some(end) => Ok(self.done(end)),
            None if self.in_string == 0 => Err(MalformedKind::Truncated.at(bytes.len())),
            None => Err(MalformedKind::UnterminatedString.at(bytes.len())),
        }
    }

    fn done(self, end: usize) -> Container {
        Container {
            end,
            commas: self.commas,
            solid: self.solid,
        }
    }

    /// Reads one block. Returns the end of the container if it is in this block.
    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK], base: usize) -> Result<Option<usize>, Malformed> {
        let text = self.classify.text(block);
        let in_string = self.in_string;
        if in_string != 0 && text.quote | text.backslash | self.escape == 0 {
            return self.string_block(block, text.has_control, base);
        }
        self.run = 0;

        let quotes = text.quote & !escaped(text.backslash, &mut self.escape);
        if quotes == 0 && in_string != 0 {
            return self.no_control(block, text.has_control, base);
        }
        let inside = self.classify.prefix_xor(quotes) ^ in_string;
        self.in_string = if inside >> 63 == 1 { u64::MAX } else { 0 };

        let brackets = self.classify.brackets(block) & !inside;
        let end = self.structure(block, base, brackets, inside)?;
        let ours = end.map_or(u64::MAX, below);
        if text.has_control {
            let control = self.classify.control(block) & inside;
            if control & ours != 0 {
                return Err(MalformedKind::ControlCharacter.at(first(control, base)));
            }
        }
        if text.backslash != 0 && text.backslash & !inside & ours != 0 {
            return Err(MalformedKind::StrayBackslash.at(first(text.backslash & !inside, base)));
        }
        Ok(end.map(|bit| base + bit as usize))
    }

    /// Reads a block in the middle of a string.
    #[inline(always)]
    fn string_block(
        &mut self,
        block: &[u8; BLOCK],
        has_control: bool,
        base: usize,
    ) -> Result<Option<usize>, Malformed> {
        self.no_control(block, has_control, base)?;
        if self.classify.is_solid(block) {
            self.run += 1;
            match self.run {
                ..SOLID_RUN => {}
                SOLID_RUN => self.solid += SOLID_RUN * BLOCK,
                _ => self.solid += BLOCK,
            }
        } else {
            self.run = 0;
        }
        Ok(None)
    }

    /// Refuses control characters in a block that is part of a string. Returns `None`: no container ends in it.
    #[inline(always)]
    fn no_control(
        &self,
        block: &[u8; BLOCK],
        has_control: bool,
        base: usize,
    ) -> Result<Option<usize>, Malformed> {
        if has_control {
            let control = self.classify.control(block);
            return Err(MalformedKind::ControlCharacter.at(first(control, base)));
        }
        Ok(None)
    }

    /// Follows the brackets of a block. Returns the bit after the one that closes the container.
    #[inline(always)]
    fn structure(
        &mut self,
        block: &[u8; BLOCK],
        base: usize,
        mut brackets: u64,
        inside: u64,
    ) -> Result<Option<u32>, Malformed> {
        if self.brackets.is_low() {
            if self.brackets.is_empty() {
                // The container's own bracket is the first byte.
                self.brackets.open(u64::from(block[0] >> 5 & 1), base)?;
                brackets &= !1;
            }
            self.count_commas(block, inside, brackets, 0);
        }
        while brackets != 0 {
            let bit = brackets.trailing_zeros();
            brackets &= brackets - 1;
            let bracket = block.get(bit as usize).copied().unwrap_or_default();
            let kind = u64::from(bracket >> 5 & 1);
            // Opening brackets have this bit, closing ones do not.
            if bracket & 2 != 0 {
                self.brackets.open(kind, base + bit as usize)?;
                continue;
            }
            self.brackets.close(kind, base + bit as usize)?;
            if self.brackets.is_low() {
                if self.brackets.is_empty() {
                    return Ok(Some(bit + 1));
                }
                self.count_commas(block, inside, brackets, bit);
            }
        }
        Ok(None)
    }

    /// Counts the commas from bit `from` to the next of `brackets`, if only the container's own bracket is open.
    #[inline(always)]
    fn count_commas(&mut self, block: &[u8; BLOCK], inside: u64, brackets: u64, from: u32) {
        if self.brackets.is_at_top() {
            let before = (brackets & brackets.wrapping_neg()).wrapping_sub(1);
            let commas = self.classify.equal(block, b',') & !inside & before & !below(from);
            self.commas += commas.count_ones() as usize;
        }
    }
}

// === impl Brackets ===

impl Brackets {
    const fn new() -> Self {
        Self {
            inner: 1,
            floor: 1,
            outer: [0; OUTER],
            full: 0,
        }
    }

    /// Returns true if no bracket is open.
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.inner == 1 && self.full == 0
    }

    /// Returns true if one bracket is open.
    #[inline(always)]
    fn is_at_top(&self) -> bool {
        self.inner & !1 == 2 && self.full == 0
    }

    /// Returns false only if two brackets or more are open. Costs less than the other questions.
    #[inline(always)]
    fn is_low(&self) -> bool {
        self.inner <= 2 * self.floor + 1
    }

    /// Opens a bracket; `kind` is 1 for an object, 0 for an array.
    #[inline(always)]
    fn open(&mut self, kind: u64, at: usize) -> Result<(), Malformed> {
        let (inner, is_full) = self.inner.overflowing_add(self.inner);
        if is_full {
            return self.open_in_next_word(kind, at);
        }
        self.inner = inner | kind;
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn open_in_next_word(&mut self, kind: u64, at: usize) -> Result<(), Malformed> {
        let Some(word) = self.outer.get_mut(self.full) else {
            return Err(MalformedKind::TooDeep.at(at));
        };
        *word = self.inner;
        self.full += 1;
        self.floor = if self.full == OUTER { LAST_FLOOR } else { 1 };
        self.inner = (2 * self.floor) | kind;
        Ok(())
    }

    /// Closes a bracket. There is one.
    #[inline(always)]
    fn close(&mut self, kind: u64, at: usize) -> Result<(), Malformed> {
        if self.inner & 1 != kind {
            return Err(MalformedKind::Unbalanced.at(at));
        }
        self.inner >>= 1;
        if self.inner == self.floor {
            self.take_back();
        }
        Ok(())
    }

    /// Goes back to the word further out, if there is one.
    #[inline(always)]
    fn take_back(&mut self) {
        if let Some(full) = self.full.checked_sub(1) {
            self.full = full;
            self.inner = self.outer.get(full).copied().unwrap_or(1);
            self.floor = 1;
        }
    }
}

#[inline(always)]
fn first(mask: u64, base: usize) -> usize {
    base + mask.trailing_zeros() as usize
}

#[cfg(test)]
mod tests;
