//! Comma-separated values (RFC 4180), with either kind of line break. Blank lines are skipped.

use std::borrow::Cow;

/// A reader of records.
pub(super) struct Csv<'a> {
    rest: &'a str,
    line: usize,
}

/// The end of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Field,
    Record,
}

/// The number of a line and its fields.
type Record<'a> = (usize, Vec<Cow<'a, str>>);

// === impl Csv ===

impl<'a> Csv<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    /// Reads the next record, or returns `None` at the end.
    ///
    /// # Errors
    ///
    /// A quoted field has no end, or quotes are in the wrong place.
    pub(super) fn record(&mut self) -> Result<Option<Record<'a>>, String> {
        loop {
            let line = self.line;
            match self.rest.split_once('\n') {
                Some((blank, rest)) if blank.trim_end_matches('\r').is_empty() => {
                    self.rest = rest;
                    self.line += 1;
                    continue;
                }
                Some(_) => {}
                None if self.rest.trim_end_matches('\r').is_empty() => return Ok(None),
                None => {}
            }
            let mut fields = Vec::with_capacity(2);
            loop {
                let (field, end) = self.field()?;
                fields.push(field);
                if end == End::Record {
                    return Ok(Some((line, fields)));
                }
            }
        }
    }

    fn field(&mut self) -> Result<(Cow<'a, str>, End), String> {
        match self.rest.strip_prefix('"') {
            Some(quoted) => self.quoted(quoted),
            None => self.plain(),
        }
    }

    fn plain(&mut self) -> Result<(Cow<'a, str>, End), String> {
        let at = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let (text, after) = self.rest.split_at(at);
        if text.contains('"') {
            return Err(self.error("a quote is inside of a field without quotes"));
        }
        let end = self.end(after)?;
        let text = match end {
            End::Record => text.strip_suffix('\r').unwrap_or(text),
            End::Field => text,
        };
        Ok((text.into(), end))
    }

    fn quoted(&mut self, quoted: &'a str) -> Result<(Cow<'a, str>, End), String> {
        let mut text = Cow::Borrowed("");
        let mut rest = quoted;
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                return Err(self.error("a quoted field has no end"));
            };
            self.line += part.matches('\n').count();
            text += part;
            match after.strip_prefix('"') {
                Some(more) => {
                    text += "\"";
                    rest = more;
                }
                None => {
                    let end = self.end(after.strip_prefix('\r').unwrap_or(after))?;
                    return Ok((text, end));
                }
            }
        }
    }

    /// Steps over a comma, a line break, or the end of the text.
    fn end(&mut self, after: &'a str) -> Result<End, String> {
        if let Some(rest) = after.strip_prefix(',') {
            self.rest = rest;
            return Ok(End::Field);
        }
        match after.strip_prefix('\n') {
            Some(rest) => {
                self.rest = rest;
                self.line += 1;
            }
            None if after.is_empty() => self.rest = after,
            None => return Err(self.error("text follows the end of a quoted field")),
        }
        Ok(End::Record)
    }

    fn error(&self, message: &str) -> String {
        format!("line {}: {message}", self.line)
    }
}
