//! What operators see of the budgets: the counts, and the accounts page by page.
//!
//! A page has at most [`MOST`] accounts, however many there are, and the ledger is looked at a few hundred at a time:
//! no request waits for whoever looks.

use serde_json::{Value, json};
use witgate_ledger::{Ledger, Statement, UnixMillis};

/// Accounts on a page.
const USUAL: usize = 1_000;

/// Most accounts on a page.
const MOST: usize = 10_000;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    limit: usize,
    /// Where the page starts.
    cursor: usize,
}

/// The page that `query` asks for: `limit` accounts from `cursor` on, which is `next` of the page before.
///
/// # Errors
///
/// What in the query is wrong.
pub(crate) fn page(ledger: &Ledger, query: Option<&str>, now: UnixMillis) -> Result<Value, String> {
    let asked = Asked::read(query.unwrap_or_default())?;
    let page = ledger.page(asked.cursor, asked.limit, now);
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

// === impl Asked ===

impl Asked {
    fn read(query: &str) -> Result<Self, String> {
        let mut asked = Self {
            limit: USUAL,
            cursor: 0,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let number = value.parse::<usize>();
            match (name, number) {
                ("limit", Ok(limit @ 1..=MOST)) => asked.limit = limit,
                ("limit", _) => return Err(format!("limit: between 1 and {MOST}")),
                ("cursor", Ok(cursor)) => asked.cursor = cursor,
                ("cursor", Err(_)) => return Err("cursor: the `next` of the page before".into()),
                _ => return Err(format!("{name}: there is `limit`, and `cursor`")),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_it_is_said_what_is_wrong_with_it() {
        let read = |query: &str| Asked::read(query).map(|asked| (asked.limit, asked.cursor));
        assert_eq!(read(""), Ok((USUAL, 0)), "the first page");
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
