//! Skipping of objects and arrays.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
use super::block::{BLOCK, Classify, below, escaped};
use super::portable::Portable;
use super::{MAX_DEPTH, Malformed, MalformedKind};

/// Number of consecutive solid blocks (1 KiB without a blank, quote or escape) from which on a string is data, not text.
const SOLID_RUN: usize = 16;

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

/// A stack of open brackets, with one bit per bracket for its kind.
struct Brackets {
    depth: usize,
    objects: [u64; MAX_DEPTH / 64],
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
        let brackets = Brackets {
            depth: 0,
            objects: [0; MAX_DEPTH / 64],
        };
        Self {
            classify,
            brackets,
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
        let masks = self.classify.masks(block);
        if self.in_string != 0 && masks.quote | masks.backslash | self.escape == 0 {
            return self.string_block(block, masks.control, base);
        }
        self.run = 0;

        let quotes = masks.quote & !escaped(masks.backslash, &mut self.escape);
        let inside = self.classify.prefix_xor(quotes) ^ self.in_string;
        self.in_string = if inside >> 63 == 1 { u64::MAX } else { 0 };

        let end = self.structure(block, base, masks.bracket & !inside, masks.comma & !inside)?;
        let ours = end.map_or(u64::MAX, below);
        if masks.control & inside & ours != 0 {
            return Err(MalformedKind::ControlCharacter.at(first(masks.control & inside, base)));
        }
        if masks.backslash & !inside & ours != 0 {
            return Err(MalformedKind::StrayBackslash.at(first(masks.backslash & !inside, base)));
        }
        Ok(end.map(|bit| base + bit as usize))
    }

    /// Reads a block in the middle of a string.
    #[inline(always)]
    fn string_block(
        &mut self,
        block: &[u8; BLOCK],
        control: u64,
        base: usize,
    ) -> Result<Option<usize>, Malformed> {
        if control != 0 {
            return Err(MalformedKind::ControlCharacter.at(first(control, base)));
        }
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

    /// Follows the brackets of a block. Returns the bit after the one that closes the container.
    #[inline(always)]
    fn structure(
        &mut self,
        block: &[u8; BLOCK],
        base: usize,
        mut brackets: u64,
        commas: u64,
    ) -> Result<Option<u32>, Malformed> {
        let mut from = 0;
        while brackets != 0 {
            let bit = brackets.trailing_zeros();
            brackets &= brackets - 1;
            if self.brackets.depth == 1 {
                self.commas += (commas & below(bit) & !below(from)).count_ones() as usize;
            }
            from = bit;
            let at = base + bit as usize;
            match block.get(bit as usize) {
                Some(b'{') => self.brackets.open(1, at)?,
                Some(b'[') => self.brackets.open(0, at)?,
                Some(b'}') => self.brackets.close(1, at)?,
                _ => self.brackets.close(0, at)?,
            }
            if self.brackets.depth == 0 {
                return Ok(Some(bit + 1));
            }
        }
        if self.brackets.depth == 1 {
            self.commas += (commas & !below(from)).count_ones() as usize;
        }
        Ok(None)
    }
}

// === impl Brackets ===

impl Brackets {
    /// Opens a bracket; `kind` is 1 for an object, 0 for an array.
    #[inline(always)]
    fn open(&mut self, kind: u64, at: usize) -> Result<(), Malformed> {
        let Some(word) = self.objects.get_mut(self.depth / 64) else {
            return Err(MalformedKind::TooDeep.at(at));
        };
        let bit = self.depth % 64;
        *word = (*word & !(1 << bit)) | (kind << bit);
        self.depth += 1;
        Ok(())
    }

    #[inline(always)]
    fn close(&mut self, kind: u64, at: usize) -> Result<(), Malformed> {
        let below = self.depth.wrapping_sub(1);
        match self.objects.get(below / 64) {
            Some(word) if (word >> (below % 64)) & 1 == kind => {
                self.depth = below;
                Ok(())
            }
            _ => Err(MalformedKind::Unbalanced.at(at)),
        }
    }
}

#[inline(always)]
fn first(mask: u64, base: usize) -> usize {
    base + mask.trailing_zeros() as usize
}
