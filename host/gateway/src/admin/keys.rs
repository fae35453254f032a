//! The page `/keys`: the credentials of callers, without secrets and hashes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use witgate_ledger::UnixMillis;

use super::page_query::PageQuery;
use crate::gateway::Gateway;
use crate::tenants::keys::Entry;

/// Returns the page for a query. The order of the entries is stable until the keys file is read anew.
///
/// # Errors
///
/// Returns a text that says which parameter is wrong.
pub(crate) async fn page(
    gateway: &Gateway,
    query: Option<&str>,
    now: UnixMillis,
) -> Result<Value, String> {
    let PageQuery { limit, cursor } = PageQuery::read(query.unwrap_or_default())?;
    let snapshot = gateway.snapshot();
    let shown: Vec<_> = snapshot
        .keyring
        .entries()
        .skip(cursor)
        .take(limit)
        .collect();
    let ids = shown.iter().map(|entry| Arc::clone(&entry.caller.id));
    let uses = gateway.usage.last_uses(ids.collect()).await;
    let keys: Vec<_> = shown
        .iter()
        .map(|entry| describe(entry, &uses, now))
        .collect();
    let count = snapshot.keyring.count();
    let next = snapshot.keyring.entries().nth(cursor.saturating_add(limit));
    let next = next.map(|_| (cursor + limit).to_string());
    Ok(json!({"count": count, "keys": keys, "next": next}))
}

fn describe(entry: &Entry<'_>, uses: &HashMap<Arc<str>, u64>, now: UnixMillis) -> Value {
    let caller = entry.caller;
    // That of this process, which may have no receipt yet, or of an earlier one.
    let own = caller.last_use.get().map(|at| at.0);
    let last_use = own.max(uses.get(&caller.id).copied());
    json!({
        "id": &*caller.id,
        "credential": entry.kind.name(),
        "tenant": caller.tenant.as_deref(),
        "user": caller.user.as_deref(),
        "tier": caller.tier.as_deref(),
        "models": caller.models,
        "expired": entry.validity.ended(now).is_some(),
        "expires_unix_ms": entry.validity.end().map(|at| at.0),
        "last_used_unix_ms": last_use,
    })
}
