//! Reads receipts that are written as the gateway writes nearly all of them: JSON without spaces, escapes and fractions where it
//! matters, each member once.
//!
//! A parser that reads any JSON takes five times as long. Whatever else a line has is left to it, so that both read the same.

use serde_json::Value;

use super::lenient::{Number, Text};
use super::{Attempt, LeftOut, Model, Record, Refusal, Time, Usage};

/// Objects that may be within each other.
const MAX_DEPTH: usize = 16;

/// The reader of a line, of which it has the rest.
struct Scan<'a>(&'a [u8]);

/// Objects that are the same on nearly all lines, as the last line had them: what is known of the plugins.
#[derive(Debug, Default)]
pub(crate) struct Known {
    plugins: Vec<u8>,
    sidecars: Vec<u8>,
}

/// Reads a receipt, or returns `None` if a parser has to.
pub(super) fn record<'a>(line: &'a [u8], known: &mut Known) -> Option<Record<'a>> {
    // A parser refuses control characters in texts. No early exit: the compiler makes vector instructions of it.
    let plain = |are: bool, byte: &u8| are & (*byte >= b' ');
    if !line.iter().fold(true, plain) || !(line.is_ascii() || std::str::from_utf8(line).is_ok()) {
        return None;
    }
    let mut scan = Scan(line);
    let mut record = Record::default();
    scan.object(|scan, name| scan.member(name, &mut record, known))?;
    scan.0.is_empty().then_some(record)
}

/// Returns the text of a member of an object, or `Some(None)` if there is no such member. Returns `None` if a parser has to look.
pub(super) fn member<'a>(object: &'a str, wanted: &str) -> Option<Option<&'a str>> {
    let mut scan = Scan(object.as_bytes());
    let mut found = None;
    scan.object(|scan, name| match name == wanted.as_bytes() {
        true => {
            found = Some(scan.plain()?);
            Some(())
        }
        false => scan.skip(MAX_DEPTH),
    })?;
    // Its dots may be objects.
    (found.is_some() || !wanted.contains('.')).then_some(found)
}

// === impl Scan ===

impl<'a> Scan<'a> {
    /// Reads a member of a receipt.
    fn member(&mut self, name: &[u8], record: &mut Record<'a>, known: &mut Known) -> Option<()> {
        match name {
            b"started_unix_ms" => self.number(&mut record.started_unix_ms),
            b"endpoint" => self.text(&mut record.endpoint),
            b"outcome" => self.text(&mut record.outcome),
            b"key" => self.text(&mut record.key),
            b"tenant" => self.text(&mut record.tenant),
            b"user" => self.text(&mut record.user),
            b"session" => self.text(&mut record.session),
            b"agent" => self.text(&mut record.agent),
            b"cost_picousd" => self.number(&mut record.cost_picousd),
            b"unpriced" => {
                self.eat(b"true")?;
                let is_new = record.unpriced.is_none();
                is_new.then(|| record.unpriced = Some(Value::Bool(true)))
            }
            b"model" => {
                let mut model = Model::default();
                self.object(|scan, name| match name {
                    b"requested" => scan.text(&mut model.requested),
                    b"served" => scan.text(&mut model.served),
                    _ => scan.skip(MAX_DEPTH),
                })?;
                record.model.set(model)
            }
            b"attempts" => match self.last_attempt()? {
                Some(attempt) => record.attempts.set(attempt),
                None => None,
            },
            b"refusal" => {
                let mut refusal = Refusal::default();
                self.object(|scan, name| match name {
                    b"blame" => scan.text(&mut refusal.blame),
                    _ => scan.skip(MAX_DEPTH),
                })?;
                record.refusal.set(refusal)
            }
            b"usage" => {
                let mut usage = Usage::default();
                self.object(|scan, name| match name {
                    b"input_tokens" => scan.number(&mut usage.input_tokens),
                    b"output_tokens" => scan.number(&mut usage.output_tokens),
                    b"cache_read_input_tokens" => scan.number(&mut usage.cache_read_input_tokens),
                    b"cache_creation_input_tokens" => {
                        scan.number(&mut usage.cache_creation_input_tokens)
                    }
                    _ => scan.skip(MAX_DEPTH),
                })?;
                record.usage.set(usage)
            }
            b"time" => {
                let mut time = Time::default();
                self.object(|scan, name| match name {
                    b"first_byte_us" => scan.number(&mut time.first_byte_us),
                    b"total_us" => scan.number(&mut time.total_us),
                    _ => scan.skip(MAX_DEPTH),
                })?;
                record.time.set(time)
            }
            b"left_out" => {
                let mut left_out = LeftOut::default();
                self.object(|scan, name| match name {
                    b"receipts" => scan.number(&mut left_out.receipts),
                    _ => scan.skip(MAX_DEPTH),
                })?;
                record.left_out.set(left_out)
            }
            b"metadata" => {
                let start = self.0;
                self.object(|scan, _| scan.skip(MAX_DEPTH))?;
                let object = start.get(..start.len() - self.0.len())?;
                record.metadata.set(std::str::from_utf8(object).ok()?)
            }
            b"plugins" => self.skip_known(&mut known.plugins),
            b"sidecars" => self.skip_known(&mut known.sidecars),
            // Few receipts have these.
            b"batch" | b"crash" => None,
            _ => self.skip(MAX_DEPTH),
        }
    }

    /// Reads attempts, whose numbers have to ascend. Returns the last one, or `None` if there is none.
    fn last_attempt(&mut self) -> Option<Option<Attempt<'a>>> {
        let mut last: Option<(u64, Attempt<'a>)> = None;
        self.object(|scan, name| {
            let number = number(name)?;
            let ascends = last.as_ref().is_none_or(|(last, _)| *last < number);
            let mut attempt = Attempt::default();
            scan.object(|scan, name| match name {
                b"upstream" => scan.text(&mut attempt.upstream),
                b"model" => scan.text(&mut attempt.model),
                _ => scan.skip(MAX_DEPTH),
            })?;
            ascends.then(|| last = Some((number, attempt)))
        })?;
        Some(last.map(|(_, attempt)| attempt))
    }

    /// Reads an object. `member` reads each value, whose name it gets.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        let rest = self.0.strip_prefix(b"{")?;
        if let [b'}', rest @ ..] = rest {
            self.0 = rest;
            return Some(());
        }
        self.0 = rest;
        loop {
            let rest = self.0.strip_prefix(b"\"")?;
            let (name, rest) = rest.split_at_checked(stop(rest)?)?;
            self.0 = rest.strip_prefix(b"\":")?;
            member(self, name)?;
            match self.0 {
                [b',', rest @ ..] => self.0 = rest,
                [b'}', rest @ ..] => {
                    self.0 = rest;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// Reads a value of no interest.
    fn skip(&mut self, depth: usize) -> Option<()> {
        match self.0 {
            [b'"', rest @ ..] => {
                self.0 = rest;
                self.skip_string()
            }
            [b'{', ..] => {
                let depth = depth.checked_sub(1)?;
                self.object(|scan, _| scan.skip(depth))
            }
            [b't', ..] => self.eat(b"true"),
            [b'f', ..] => self.eat(b"false"),
            _ => self.digits().map(drop),
        }
    }

    /// Reads a value of no interest. An object is not looked through if it is the known one.
    fn skip_known(&mut self, known: &mut Vec<u8>) -> Option<()> {
        if !known.is_empty()
            && let Some(rest) = self.0.strip_prefix(known.as_slice())
        {
            self.0 = rest;
            return Some(());
        }
        let start = self.0;
        self.skip(MAX_DEPTH)?;
        if start.starts_with(b"{") {
            known.clear();
            known.extend_from_slice(start.get(..start.len() - self.0.len())?);
        }
        Some(())
    }

    /// Reads a text.
    fn text(&mut self, to: &mut Text<'a>) -> Option<()> {
        to.set(self.plain()?)
    }

    /// Reads a number.
    fn number(&mut self, to: &mut Number) -> Option<()> {
        to.set(number(self.digits()?)?)
    }

    /// Reads the digits of a whole number.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = self.0.split_at_checked(count.count())?;
        self.0 = rest;
        match digits {
            [] | [b'0', _, ..] => None,
            digits => Some(digits),
        }
    }

    /// Reads a string without escapes.
    fn plain(&mut self) -> Option<&'a str> {
        let rest = self.0.strip_prefix(b"\"")?;
        let (text, rest) = rest.split_at_checked(stop(rest)?)?;
        self.0 = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    /// Reads the rest of any string but one whose escapes are digits.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            match self.0.get(stop(self.0)?..)? {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return Some(());
                }
                [
                    _,
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    rest @ ..,
                ] => {
                    self.0 = rest;
                }
                _ => return None,
            }
        }
    }

    fn eat(&mut self, word: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }
}

/// Returns the number that digits are, or `None` if they are not.
fn number(digits: &[u8]) -> Option<u64> {
    // So many fit.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then(|| number.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// Returns the place of the first quote or backslash.
fn stop(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // Most names and texts are shorter than two words.
    let mut rest = bytes;
    for before in [0, 8] {
        let Some((word, after)) = rest.split_first_chunk() else {
            break;
        };
        let word = u64::from_le_bytes(*word);
        // A byte that is zero sets its highest bit, and perhaps that of bytes after it.
        let zeros = |word: u64| word.wrapping_sub(EACH) & !word & (EACH << 7);
        let found =
            zeros(word ^ (EACH * u64::from(b'"'))) | zeros(word ^ (EACH * u64::from(b'\\')));
        if found != 0 {
            let at = usize::try_from(found.trailing_zeros() / 8).ok()?;
            return Some(before + at);
        }
        rest = after;
    }
    Some(bytes.len() - rest.len() + memchr::memchr2(b'"', b'\\', rest)?)
}

#[cfg(test)]
mod tests;
