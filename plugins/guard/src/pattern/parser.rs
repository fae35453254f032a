//! The parser of patterns.

use super::{Class, Pattern};

/// The maximum number of groups inside each other.
const MAX_DEPTH: usize = 32;
/// The maximum number in a repetition.
const MAX_REPEAT: u16 = 1_000;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    any_case: bool,
    depth: usize,
}

pub(super) fn parse(text: &str) -> Result<Pattern, String> {
    let mut parser = Parser {
        text,
        at: 0,
        any_case: false,
        depth: 0,
    };
    parser.any_case = parser.eat("(?i)");
    let pattern = parser.alternatives()?;
    match parser.peek() {
        None => Ok(pattern),
        Some(_) => Err(parser.error("`)` without a group; write `\\)` for the character")),
    }
}

// === impl Parser ===

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn eat(&mut self, expected: &str) -> bool {
        let eats = self.rest().starts_with(expected);
        if eats {
            self.at += expected.len();
        }
        eats
    }

    fn error(&self, what: &str) -> String {
        let place = self.text.get(..self.at).unwrap_or_default();
        let place = place.chars().count() + 1;
        let mut text = String::from("not a pattern at character ");
        text.push_str(&place.to_string());
        text.push_str(": ");
        text.push_str(what);
        text
    }

    fn alternatives(&mut self) -> Result<Pattern, String> {
        let mut parts = vec![self.sequence()?];
        while self.eat("|") {
            parts.push(self.sequence()?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Pattern::Any(parts),
        })
    }

    fn sequence(&mut self) -> Result<Pattern, String> {
        let mut parts = Vec::new();
        while let Some(next) = self.peek() {
            if next == '|' || next == ')' {
                break;
            }
            let atom = self.atom()?;
            parts.push(self.repeated(atom)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Pattern::All(parts),
        })
    }

    fn repeated(&mut self, atom: Pattern) -> Result<Pattern, String> {
        let (least, most) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.at += 1;
                return self.counted(atom);
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        self.repeat(atom, least, most)
    }

    /// Parses what follows the brace of `{2}`, `{2,}` or `{2,5}`.
    fn counted(&mut self, atom: Pattern) -> Result<Pattern, String> {
        let least = self.number()?;
        let most = match self.eat(",") {
            false => Some(least),
            true if self.peek() == Some('}') => None,
            true => Some(self.number()?),
        };
        if !self.eat("}") {
            return Err(self.error("expected `}`; write `\\{` for the character"));
        }
        if most.is_some_and(|most| most < least || most == 0) {
            return Err(self.error("a repetition whose maximum is below its minimum, or 0"));
        }
        self.repeat(atom, least, most)
    }

    fn repeat(&self, atom: Pattern, least: u16, most: Option<u16>) -> Result<Pattern, String> {
        if matches!(self.peek(), Some('*' | '+' | '?' | '{')) {
            return Err(self.error("a repetition of a repetition; put the first one in a group"));
        }
        Ok(Pattern::Repeat {
            pattern: Box::new(atom),
            least,
            most,
        })
    }

    fn number(&mut self) -> Result<u16, String> {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest().get(..digits).unwrap_or_default().parse();
        match number {
            Ok(number) if number <= MAX_REPEAT => {
                self.at += digits;
                Ok(number)
            }
            _ => Err(self.error("expected a number up to 1000; write `\\{` for the character")),
        }
    }

    fn atom(&mut self) -> Result<Pattern, String> {
        match self.peek() {
            Some('(') => self.group(),
            Some('[') => {
                self.at += 1;
                self.set()
            }
            Some('.') => {
                self.at += 1;
                Ok(self.class(Class::dot()))
            }
            Some('\\') => {
                self.at += 1;
                if self.eat("b") {
                    return Ok(Pattern::Boundary);
                }
                self.escaped().map(|class| self.class(class))
            }
            Some('^' | '$') => Err(self.error(
                "a text arrives in pieces and is not searched by lines; use `\\b`, or write `\\^` and `\\$` for the characters",
            )),
            Some('*' | '+' | '?' | '{') => {
                Err(self.error("a repetition of nothing; write a `\\` before the character"))
            }
            _ => Ok(self.literal()),
        }
    }

    fn group(&mut self) -> Result<Pattern, String> {
        self.at += 1;
        if self.rest().starts_with('?') && !self.eat("?:") {
            return Err(self.error("only `(?:…)`, and `(?i)` at the start of a pattern"));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("more than 32 groups inside each other"));
        }
        let inside = self.alternatives()?;
        self.depth -= 1;
        match self.eat(")") {
            true => Ok(inside),
            false => Err(self.error("expected `)`")),
        }
    }

    fn literal(&mut self) -> Pattern {
        match self.next() {
            Some(char) if char.is_ascii() => self.class(Class::one(char as u8)),
            Some(char) => {
                let mut bytes = [0; 4];
                let bytes = char.encode_utf8(&mut bytes).bytes();
                Pattern::All(bytes.map(Pattern::Byte).collect())
            }
            None => Pattern::All(Vec::new()),
        }
    }

    fn class(&self, class: Class) -> Pattern {
        Pattern::Class(match self.any_case {
            true => class.in_any_case(),
            false => class,
        })
    }

    /// Parses what follows a backslash.
    fn escaped(&mut self) -> Result<Class, String> {
        let class = match self.peek() {
            Some('d') => Class::digit(),
            Some('D') => Class::digit().not(),
            Some('w') => Class::word(),
            Some('W') => Class::word().not(),
            Some('s') => Class::space(),
            Some('S') => Class::space().not(),
            Some('n') => Class::one(b'\n'),
            Some('r') => Class::one(b'\r'),
            Some('t') => Class::one(b'\t'),
            Some(char) if char.is_ascii_punctuation() => Class::one(char as u8),
            _ => {
                return Err(self.error(
                    "an unknown escape; use `\\d`, `\\w`, `\\s`, their capitals, `\\b`, `\\n`, `\\r`, `\\t` or `\\` before punctuation",
                ));
            }
        };
        self.at += 1;
        Ok(class)
    }

    /// Parses what follows the bracket of a class.
    fn set(&mut self) -> Result<Pattern, String> {
        let negated = self.eat("^");
        let mut set = Class::NONE;
        loop {
            if self.peek() == Some(']') && set != Class::NONE {
                self.at += 1;
                break;
            }
            let first = self.member()?;
            let (dash, end) = (self.rest().starts_with('-'), self.rest().starts_with("-]"));
            set = set.or(match (first, dash && !end) {
                (Member::One(first), true) => {
                    self.at += 1;
                    match self.member()? {
                        Member::One(last) if first <= last => Class::range(first, last),
                        _ => return Err(self.error("a range that ends before it begins")),
                    }
                }
                (Member::One(one), false) => Class::one(one),
                (Member::Many(many), false) => many,
                (Member::Many(_), true) => {
                    return Err(self.error("a range from a class; write `\\-` for the character"));
                }
            });
        }
        let set = match self.any_case {
            true => set.in_any_case(),
            false => set,
        };
        Ok(Pattern::Class(match negated {
            true => set.not(),
            false => set,
        }))
    }

    fn member(&mut self) -> Result<Member, String> {
        match self.peek() {
            None => Err(self.error("expected `]`")),
            Some('\\') => {
                self.at += 1;
                let one = self.peek().filter(char::is_ascii_punctuation);
                let class = self.escaped()?;
                Ok(one.map_or(Member::Many(class), |one| Member::One(one as u8)))
            }
            Some(char) if char.is_ascii() => {
                self.at += 1;
                Ok(Member::One(char as u8))
            }
            Some(_) => Err(self.error(
                "a class has ASCII characters only; write `(?:ä|ö)` for others, or `[^…]` for all but some",
            )),
        }
    }
}

/// A member of a class.
enum Member {
    One(u8),
    Many(Class),
}
