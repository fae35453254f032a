//! Refusals for accounts that the ledger can't open: there is no room for another, or the name is too long.
//!
//! Plugins build the names of accounts from what callers say about themselves, so an owner who has filled its own room is at
//! fault, and not the gateway.

use std::time::Duration;

use witgate_ledger::{Bound, MAX_ACCOUNT_BYTES, NoRoom, UnixMillis};
use witgate_runtime::{Envelope, Hook, Refusal};

use crate::answer::refused::{Refused, Retry};
use crate::exchange::decide::charge::BudgetCharge;

/// Returns the refusal for a request whose account does not fit into the ledger.
pub(crate) fn no_room(no_room: &NoRoom, owner: &str, now: UnixMillis) -> Refused {
    let NoRoom {
        bound,
        own,
        free,
        bounds,
        frees_at,
    } = no_room;
    let who = match owner.strip_prefix("key:") {
        Some(key) => format!("the key `{key}`"),
        None => format!("the tenant `{owner}`"),
    };
    let wait = frees_at.map(|at| Duration::from_millis(at.0.saturating_sub(now.0)));
    let until = wait.map_or_else(
        || "none of them expires by itself".to_owned(),
        |wait| format!("the next ones expire in {} s", wait.as_secs() + 1),
    );
    let message = match bound {
        Bound::Owner => format!(
            "{who} uses {own} budget accounts, and the limit is {} (`ledger.accounts_per_tenant`); {until}",
            bounds.per_owner,
        ),
        Bound::Ledger if *own > 0 => format!(
            "{who} uses {own} budget accounts, and {free} of {} (`ledger.accounts`) are left for all others; {until}",
            bounds.accounts,
        ),
        Bound::Ledger => {
            let message = format!(
                "all {} budget accounts of the gateway (`ledger.accounts`) are in use: its operator can raise the limit",
                bounds.accounts
            );
            return Refused::gateway(503, message);
        }
    };
    Refused {
        retry_after: wait,
        retry: Retry::after(wait),
        ..Refused::client(429, message)
    }
}

/// Returns the refusal for an account whose name is too long, and names the value that makes it so.
pub(crate) fn too_long(charge: &BudgetCharge, envelope: &Envelope, bytes: usize) -> Refused {
    let field = longest_in(&charge.charge.account, envelope).map_or_else(
        || "a value in it".to_owned(),
        |(field, value)| format!("{field}, which has {} bytes,", value.len()),
    );
    let message = format!(
        "the name of the budget account is {bytes} bytes long, and the limit is {MAX_ACCOUNT_BYTES}: shorten {field} and send the request again"
    );
    let refusal = Refusal {
        status: 400,
        code: "invalid_request_error".into(),
        message,
        retry_after_ms: None,
        attributes: Vec::new(),
    };
    match charge.by.plugin() {
        Some(plugin) => Refused::policy(plugin.to_string(), Hook::Budget, refusal),
        None => Refused::client(refusal.status, refusal.message),
    }
}

/// Returns the longest value of the envelope that is part of an account's name, with its label, or `None`.
fn longest_in<'a>(account: &str, envelope: &'a Envelope) -> Option<(String, &'a str)> {
    let fields = [
        ("tenant", &envelope.tenant),
        ("user", &envelope.user),
        ("session", &envelope.session),
        ("agent", &envelope.agent),
        ("resource", &envelope.resource),
        ("correlation id", &envelope.correlation_id),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((format!("the {name}"), value.as_deref()?)));
    let metadata = envelope
        .metadata
        .iter()
        .map(|(name, value)| (format!("the metadata value `{name}`"), value.as_str()));
    fields
        .chain(metadata)
        .filter(|(_, value)| !value.is_empty() && account.contains(value))
        .max_by_key(|(_, value)| value.len())
}

#[cfg(test)]
mod tests {
    use witgate_ledger::Bounds;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        accounts: 100,
        per_owner: 25,
    };

    fn refused(bound: Bound, own: usize, frees_at: Option<UnixMillis>) -> Refused {
        let short = NoRoom {
            bound,
            own,
            free: own,
            bounds: BOUNDS,
            frees_at,
        };
        no_room(&short, "acme", UnixMillis(1_000))
    }

    #[test]
    fn whoever_has_used_up_its_room_is_told_so_and_nobody_else_is_to_blame() {
        let told = refused(Bound::Owner, 25, Some(UnixMillis(31_000)));
        assert_eq!(told.status, 429, "{}", told.message);
        assert_eq!(told.retry_after, Some(Duration::from_secs(30)), "the wait");
        assert_eq!(told.retry, Retry::Worthwhile, "half a minute");
        for part in ["`acme`", "25", "`ledger.accounts_per_tenant`"] {
            assert!(told.message.contains(part), "{part} in: {}", told.message);
        }
        let told = refused(Bound::Ledger, 20, None);
        assert_eq!(told.status, 429, "{}", told.message);
        assert_eq!(told.retry, Retry::Useless, "nothing ends by itself");
        assert!(
            told.message.contains("`ledger.accounts`"),
            "{}",
            told.message
        );
        let told = refused(Bound::Ledger, 0, None);
        assert_eq!(told.status, 503, "it has done nothing: {}", told.message);
        assert!(
            told.message.contains("`ledger.accounts`"),
            "{}",
            told.message
        );
    }

    #[test]
    fn the_keys_that_a_refusal_names_are_keys_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        for bound in [Bound::Owner, Bound::Ledger] {
            let message = refused(bound, 5, None).message;
            let named = message.split('`').find(|part| part.starts_with("ledger."));
            let key = named.and_then(|named| named.strip_prefix("ledger."));
            let text = format!(
                "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \".\"\n\
                 [upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\n[ledger]\n{} = 10\n",
                key.expect("a key is named")
            );
            let read = crate::config::Config::parse(&folder.path().join("witgate.toml"), &text);
            assert!(read.is_ok(), "{message}: {:?}", read.err());
        }
    }

    #[test]
    fn the_value_that_makes_an_account_too_long_is_named() {
        let envelope = Envelope {
            user: Some("alice".into()),
            session: Some("s".repeat(2_000)),
            metadata: vec![("team".into(), "t".repeat(1_500))],
            ..Envelope::default()
        };
        let of = |account: String| longest_in(&account, &envelope).map(|(field, _)| field);
        assert_eq!(
            of(format!("session:{}", "s".repeat(2_000))),
            Some("the session".into())
        );
        assert_eq!(
            of(format!("metadata.team:{}", "t".repeat(1_500))),
            Some("the metadata value `team`".into())
        );
        assert_eq!(of("x".repeat(3_000)), None, "made of something else");
    }
}
