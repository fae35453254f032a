//! The page `/budgets`: totals, and the accounts page by page.
//!
//! A page has at most [`MAX_LIMIT`] accounts, and the ledger is read a few hundred accounts at a time, so that no request
//! waits for a reader.

use serde_json::{Value, json};
use witgate_ledger::{Ledger, Statement, UnixMillis};

/// Default number of accounts on a page.
const DEFAULT_LIMIT: usize = 1_000;

/// Maximum number of accounts on a page.
const MAX_LIMIT: usize = 10_000;

/// A parsed query.
#[derive(Debug, PartialEq, Eq)]
struct PageQuery {
    limit: usize,
    /// Position of the first account, as the previous page gives it in `next`.
    cursor: usize,
}

/// Returns the page for a query: `limit` accounts, starting at `cursor`.
///
/// # Errors
///
/// Returns a text that says which parameter is wrong.
pub(crate) fn page(ledger: &Ledger, query: Option<&str>, now: UnixMillis) -> Result<Value, String> {
    let PageQuery { limit, cursor } = PageQuery::read(query.unwrap_or_default())?;
    let page = ledger.page(cursor, limit, now);
    let totals = ledger.totals();
    Ok(json!({
        "open_holds": totals.open_holds,
        "overdrafts": totals.overdrafts,
        "room": {
            "accounts": totals.bounds.accounts,
            "accounts_per_tenant": totals.bounds.per_owner,
            "in_use": totals.balances,
            "turned_away": totals.turned_away,
        },
        "accounts": page.balances.iter().map(account).collect::<Vec<_>>(),
        "next": page.next.map(|next| next.to_string()),
    }))
}

fn account(balance: &Statement) -> Value {
    json!({
        "account": &*balance.account,
        "tenant": &*balance.owner,
        "window": balance.window.code(),
        "unit": balance.unit.code(),
        "used": balance.used,
        "held": balance.held,
        "limit": balance.limit,
        "resets_at_unix_ms": balance.resets_at.map(|at| at.0),
    })
}

// === impl PageQuery ===

impl PageQuery {
    fn read(query: &str) -> Result<Self, String> {
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
