//! The parser: one pass over the bytes, strict as RFC 8259.

use std::borrow::Cow;

use super::Json;

/// Maximum depth of lists and tables. The stack of a component is small.
const MAX_DEPTH: u32 = 128;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

/// Reads a text, or returns the byte at which it stops to be JSON.
pub(super) fn parse(text: &str) -> Result<Json<'_>, usize> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    match parser.value() {
        Some(value) if parser.next().is_none() => Ok(value),
        _ => Err(parser.at),
    }
}

// === impl Parser ===

/// Each method returns `None` at the first mistake, where `at` then stays.
impl<'a> Parser<'a> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips blanks, and returns the byte behind them.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        word.bytes().try_for_each(|byte| self.take(byte))
    }

    fn value(&mut self) -> Option<Json<'a>> {
        match self.next()? {
            b'"' => self.text().map(Json::Text),
            b'[' => self.nested(Self::list),
            b'{' => self.nested(Self::table),
            b'n' => self.word("null").map(|()| Json::Null),
            b't' => self.word("true").map(|()| Json::Bool(true)),
            b'f' => self.word("false").map(|()| Json::Bool(false)),
            _ => self.number().map(Json::Number),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Option<Json<'a>>) -> Option<Json<'a>> {
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.at += 1;
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Some(value)
    }

    fn list(&mut self) -> Option<Json<'a>> {
        let mut elements = Vec::new();
        if self.next()? != b']' {
            loop {
                elements.push(self.value()?);
                if self.next()? != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(b']')?;
        Some(Json::List(elements))
    }

    fn table(&mut self) -> Option<Json<'a>> {
        let mut members = Vec::new();
        if self.next()? != b'}' {
            loop {
                self.next()?;
                let name = self.text()?;
                self.next()?;
                self.take(b':')?;
                members.push((name, self.value()?));
                if self.next()? != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(b'}')?;
        Some(Json::Table(members))
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        let _ = self.take(b'-');
        // A zero is the only digit in front of the point, if it is the first one.
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        self.text.get(start..self.at)
    }

    /// Reads plain characters of a string.
    fn plain(&mut self) -> Option<&'a str> {
        let start = self.at;
        while !matches!(self.byte()?, b'"' | b'\\' | 0..0x20) {
            self.at += 1;
        }
        self.text.get(start..self.at)
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        self.take(b'"')?;
        let first = self.plain()?;
        if self.take(b'"').is_some() {
            return Some(Cow::Borrowed(first));
        }
        let mut text = first.to_owned();
        while self.take(b'"').is_none() {
            self.take(b'\\')?;
            text.push(self.escape()?);
            text.push_str(self.plain()?);
        }
        Some(Cow::Owned(text))
    }

    fn escape(&mut self) -> Option<char> {
        let escaped = match self.byte()? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            _ => return None,
        };
        self.at += 1;
        Some(escaped)
    }

    /// Reads the digits of `\uXXXX`, and those of the second half of a pair.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        self.word("\\u")?;
        let second = self.four()?.checked_sub(0xDC00)?;
        if second >= 0x400 {
            return None;
        }
        char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + second)
    }

    fn four(&mut self) -> Option<u32> {
        let mut code = 0;
        for _ in 0..4 {
            code = code << 4 | char::from(self.byte()?).to_digit(16)?;
            self.at += 1;
        }
        Some(code)
    }
}
