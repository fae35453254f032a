//! Classes of characters.

/// A set of ASCII characters, and whether all other characters belong to it, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Class {
    ascii: u128,
    beyond: bool,
}

// === impl Class ===

impl Class {
    pub(crate) const NONE: Self = Self {
        ascii: 0,
        beyond: false,
    };

    /// Returns a class of the ASCII characters from one to another.
    pub(crate) const fn range(first: u8, last: u8) -> Self {
        let mut ascii = 0;
        let mut byte = first;
        while byte <= last && byte < 128 {
            ascii |= 1 << byte;
            byte += 1;
        }
        Self {
            ascii,
            beyond: false,
        }
    }

    pub(crate) const fn one(byte: u8) -> Self {
        Self::range(byte, byte)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self {
            ascii: self.ascii | other.ascii,
            beyond: self.beyond || other.beyond,
        }
    }

    pub(crate) const fn not(self) -> Self {
        Self {
            ascii: !self.ascii,
            beyond: !self.beyond,
        }
    }

    /// Returns every character but line feeds, as `.` matches them.
    pub(crate) const fn dot() -> Self {
        Self::one(b'\n').not()
    }

    pub(crate) const fn digit() -> Self {
        Self::range(b'0', b'9')
    }

    pub(crate) const fn word() -> Self {
        Self::range(b'a', b'z')
            .or(Self::range(b'A', b'Z'))
            .or(Self::digit())
            .or(Self::one(b'_'))
    }

    pub(crate) const fn space() -> Self {
        Self::range(b'\t', b'\r').or(Self::one(b' '))
    }

    /// Returns the class with both cases of its ASCII letters.
    pub(crate) const fn in_any_case(self) -> Self {
        let (upper, lower) = (Self::range(b'A', b'Z').ascii, Self::range(b'a', b'z').ascii);
        Self {
            ascii: self.ascii | (self.ascii & upper) << 32 | (self.ascii & lower) >> 32,
            beyond: self.beyond,
        }
    }

    /// Returns whether all characters beyond ASCII belong to the class.
    pub(crate) const fn is_beyond(self) -> bool {
        self.beyond
    }

    /// Returns the class without characters beyond ASCII.
    pub(crate) const fn within_ascii(self) -> Self {
        Self {
            beyond: false,
            ..self
        }
    }

    /// Returns whether an ASCII character belongs to the class. A byte of another character does not.
    pub(crate) const fn has(self, byte: u8) -> bool {
        byte < 128 && self.ascii >> byte & 1 == 1
    }
}
