//! The query of a page that is too long for one response: `?limit=` and `?cursor=`.

/// Default number of entries on a page.
const DEFAULT_LIMIT: usize = 1_000;

/// Maximum number of entries on a page.
pub(super) const MAX_LIMIT: usize = 10_000;

/// A parsed query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageQuery {
    /// Number of entries.
    pub(super) limit: usize,
    /// Position of the first entry, as the previous page gives it in `next`.
    pub(super) cursor: usize,
}

// === impl PageQuery ===

impl PageQuery {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// Returns a text that says which parameter is wrong.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let mut parsed = Self {
            limit: DEFAULT_LIMIT,
            cursor: 0,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = value.parse::<usize>();
            match (name, number) {
                ("limit", Ok(limit @ 1..=MAX_LIMIT)) => parsed.limit = limit,
                ("limit", _) => return Err(format!("limit: use a number from 1 to {MAX_LIMIT}")),
                ("cursor", Ok(cursor)) => parsed.cursor = cursor,
                ("cursor", Err(_)) => {
                    return Err("cursor: use the value of `next` from the previous page".into());
                }
                _ => {
                    return Err(format!(
                        "{name}: unknown parameter; use `limit` and `cursor`"
                    ));
                }
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_query_is_an_error_that_names_the_parameter() {
        let read = |query: &str| PageQuery::read(query).map(|query| (query.limit, query.cursor));
        assert_eq!(read(""), Ok((DEFAULT_LIMIT, 0)), "the first page");
        assert_eq!(read("cursor=7&limit=20"), Ok((20, 7)), "a later one");
        for (query, named) in [
            ("limit=0", "limit"),
            ("limit=10001", "limit"),
            ("limit=ten", "limit"),
            ("cursor=-1", "cursor"),
            ("page=2", "page"),
        ] {
            let told = read(query).unwrap_err();
            assert!(told.starts_with(named), "{query}: {told}");
        }
    }
}
