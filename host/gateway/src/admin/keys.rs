//! The page `/keys`: the credentials of callers, without secrets and hashes.

use serde_json::{Value, json};
use witgate_ledger::UnixMillis;

use super::page_query::PageQuery;
use crate::tenants::keys::{Entry, Keyring};

/// Returns the page for a query. The order of the entries is stable until the keys file is read anew.
///
/// # Errors
///
/// Returns a text that says which parameter is wrong.
pub(crate) fn page(
    keyring: &Keyring,
    query: Option<&str>,
    now: UnixMillis,
) -> Result<Value, String> {
    let PageQuery { limit, cursor } = PageQuery::read(query.unwrap_or_default())?;
    let mut entries = keyring.entries().skip(cursor);
    let keys: Vec<_> = entries
        .by_ref()
        .take(limit)
        .map(|entry| describe(&entry, now))
        .collect();
    let next = entries.next().map(|_| (cursor + limit).to_string());
    Ok(json!({"count": keyring.count(), "keys": keys, "next": next}))
}

fn describe(entry: &Entry<'_>, now: UnixMillis) -> Value {
    let caller = entry.caller;
    json!({
        "id": &*caller.id,
        "credential": entry.kind.name(),
        "tenant": caller.tenant.as_deref(),
        "user": caller.user.as_deref(),
        "tier": caller.tier.as_deref(),
        "models": caller.models,
        "expired": entry.validity.ended(now).is_some(),
        "expires_unix_ms": entry.validity.end().map(|at| at.0),
        "last_used_unix_ms": caller.last_use.get().map(|at| at.0),
    })
}
