//! The query of a list request: the requested page and the other parameters.

use std::borrow::Cow;

/// A query, with paging separate from the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    /// The start of the page.
    pub cursor: Cursor<'a>,
    /// Number of items on a page, if given.
    pub limit: Option<usize>,
    /// All other parameters as written.
    rest: Vec<&'a str>,
}

/// The start of a page, in the list's own order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cursor<'a> {
    /// The start of the list.
    #[default]
    Start,
    /// After the item with this id.
    After(Cow<'a, str>),
    /// The page that ends before the item with this id.
    Before(Cow<'a, str>),
}

/// An invalid query. The client is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// The limit is not a number that the API accepts.
    #[error("limit: must be a number from 1 to {}", Query::MAX_LIMIT)]
    Limit,
    /// A parameter appears twice, or both ends of a page are given.
    #[error("limit and either after_id or before_id may be given, each at most once")]
    Ambiguous,
    /// A percent sign is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    #[error("the query string is not valid percent-encoded UTF-8")]
    Encoding,
}

// === impl Query ===

impl<'a> Query<'a> {
    /// Maximum number of items on a page.
    pub const MAX_LIMIT: usize = 1000;
    /// Number of items on a page if the query gives none.
    pub const DEFAULT_LIMIT: usize = 20;

    /// Parses the query of a path. Without a query the first page is meant.
    ///
    /// # Errors
    /// [`BadQuery`] with the reason.
    pub fn of(path: &'a str) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        let text = path.split_once('?').map_or("", |(_, query)| query);
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match decode(name)?.as_ref() {
                "limit" => {
                    let limit = decode(value)?.parse().map_err(|_| BadQuery::Limit)?;
                    if !(1..=Self::MAX_LIMIT).contains(&limit) {
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

    /// Returns the number of items on a page.
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(Self::DEFAULT_LIMIT)
    }

    /// Returns the path and query of another page of the same list. The rest of the query stays as written.
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
        // RFC 3986, section 2.3: characters that never need encoding.
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
