//! The query of a request for a list: which page is asked for, and what else stands in it.

use std::borrow::Cow;

/// A query, its paging apart from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// Where the page begins.
    pub cursor: Cursor<'a>,
    /// Items on a page, if said.
    pub limit: Option<usize>,
    /// All other parameters, as they are written.
    rest: Vec<&'a str>,
}

/// Where a page begins, in the list's own order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cursor<'a> {
    /// At the list's start.
    #[default]
    Start,
    /// Behind the item of this id.
    After(Cow<'a, str>),
    /// So that it ends before the item of this id.
    Before(Cow<'a, str>),
}

/// A query that can't be paged by: the client's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// The limit is no number that the API takes.
    #[error("limit: a number from 1 to {}", Query::MOST)]
    Limit,
    /// A parameter is there twice, or both ends of a page are given.
    #[error("limit and one of after_id and before_id may be given, each once")]
    Ambiguous,
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the query is not percent-encoded as it should be")]
    Encoding,
}

// === impl Query ===

impl<'a> Query<'a> {
    /// Most items on a page.
    pub const MOST: usize = 1000;
    /// Items on a page when the query does not say.
    pub const USUAL: usize = 20;

    /// Reads the query of a path; one without a query asks for the first page.
    ///
    /// # Errors
    /// [`BadQuery`] says what is wrong with it.
    pub fn of(path: &'a str) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        let text = path.split_once('?').map_or("", |(_, query)| query);
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match decode(name)?.as_ref() {
                "limit" => {
                    let limit = decode(value)?.parse().map_err(|_| BadQuery::Limit)?;
                    if !(1..=Self::MOST).contains(&limit) {
                        return Err(BadQuery::Limit);
                    }
                    if query.limit.replace(limit).is_some() {
                        return Err(BadQuery::Ambiguous);
                    }
                }
                "after_id" => query.set_cursor(Cursor::After(decode(value)?))?,
                "before_id" => query.set_cursor(Cursor::Before(decode(value)?))?,
                _ => query.rest.push(parameter),
            }
        }
        Ok(query)
    }

    fn set_cursor(&mut self, cursor: Cursor<'a>) -> Result<(), BadQuery> {
        if self.cursor != Cursor::Start {
            return Err(BadQuery::Ambiguous);
        }
        self.cursor = cursor;
        Ok(())
    }

    /// Items on a page.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::USUAL)
    }

    /// The path and query of another page of the same list: the rest of the query stays as it is written.
    pub fn page(&self, path: &str, cursor: &Cursor<'_>, limit: usize) -> String {
        let path = path.split('?').next().unwrap_or_default();
        let mut page = format!("{path}?limit={limit}");
        match cursor {
            Cursor::Start => {}
            Cursor::After(id) => push(&mut page, "after_id", id),
            Cursor::Before(id) => push(&mut page, "before_id", id),
        }
        for parameter in &self.rest {
            page.push('&');
            page.push_str(parameter);
        }
        page
    }
}

fn push(page: &mut String, name: &str, id: &str) {
    page.push('&');
    page.push_str(name);
    page.push('=');
    for byte in id.bytes() {
        // RFC 3986, section 2.3: what needs no encoding anywhere.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            page.push(char::from(byte));
        } else {
            page.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, BadQuery> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(), digit());
                high.zip(low)
                    .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                    .ok_or(BadQuery::Encoding)?
            }
            other => other,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| BadQuery::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging_is_taken_out_however_it_is_spelled_and_the_rest_stays() {
        let query = Query::of("/v1/files?beta=true&%6cimit=5&after%5Fid=file%5f1&x=%20a").unwrap();
        assert_eq!(
            (query.limit(), &query.cursor),
            (5, &Cursor::After("file_1".into())),
            "what is asked for"
        );
        assert_eq!(
            query.page("/v1/files?x", &Cursor::Before("a b/ü".into()), 1000),
            "/v1/files?limit=1000&before_id=a%20b%2F%C3%BC&beta=true&x=%20a",
            "the next page"
        );
        let plain = Query::of("/v1/files").unwrap();
        assert_eq!(
            (plain.limit(), plain.page("/v1/files", &Cursor::Start, 7)),
            (20, "/v1/files?limit=7".to_owned()),
            "no query"
        );
    }

    #[test]
    fn a_query_that_could_be_read_in_two_ways_is_refused() {
        for (path, wanted) in [
            ("/v1/files?limit=0", BadQuery::Limit),
            ("/v1/files?limit=1001", BadQuery::Limit),
            ("/v1/files?limit=x", BadQuery::Limit),
            ("/v1/files?limit=1&limit=2", BadQuery::Ambiguous),
            ("/v1/files?after_id=a&before_id=b", BadQuery::Ambiguous),
            ("/v1/files?after_id=a&after_id=b", BadQuery::Ambiguous),
            ("/v1/files?after_id=%4", BadQuery::Encoding),
            ("/v1/files?after_id=%ff", BadQuery::Encoding),
        ] {
            assert_eq!(Query::of(path), Err(wanted), "{path}");
        }
    }
}
