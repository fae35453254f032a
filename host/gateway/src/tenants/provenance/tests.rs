use std::path::Path;

use super::*;
use crate::tenants::keys::{Keyring, NewKey};

fn caller(more: &str) -> std::sync::Arc<Caller> {
    let key = NewKey::random();
    let text = format!("[[key]]\nid = \"a\"\nhash = \"{}\"\n{more}\n", key.hash);
    let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
    ring.caller(Some(key.secret.as_bytes()), witgate_ledger::UnixMillis(0))
        .unwrap()
}

fn entered(more: &str, path: &str) -> Result<Provenance, u16> {
    let mut provenance = Provenance::default();
    provenance
        .bind(path, &caller(more))
        .map(|()| provenance)
        .map_err(|refused| refused.status)
}

const SEARCH: &str = "/api/v1/completion/search/prod/anthropic/v1/messages";

#[test]
fn a_bound_key_is_where_it_is_bound_to_or_nowhere() {
    for (more, path, wanted) in [
        ("", SEARCH, Ok((Some("search"), Some("prod")))),
        ("", "/v1/messages", Ok((None, None))),
        (
            "workspaces = [\"se*\"]",
            SEARCH,
            Ok((Some("search"), Some("prod"))),
        ),
        ("workspaces = [\"other\", \"x\"]", SEARCH, Err(403)),
        ("environments = [\"test\"]", SEARCH, Err(403)),
        (
            "workspaces = [\"search\"]",
            "/v1/messages",
            Ok((Some("search"), None)),
        ),
        ("workspaces = [\"se*\"]", "/v1/messages", Err(403)),
        ("workspaces = [\"a\", \"b\"]", "/v1/messages", Err(403)),
    ] {
        let entered = entered(more, path);
        let entered = entered
            .as_ref()
            .map(|it| (it.workspace.as_deref(), it.environment.as_deref()));
        assert_eq!(
            entered.map_err(|status| *status),
            wanted,
            "{more} at {path}"
        );
    }
}

#[test]
fn what_a_plugin_says_under_a_reserved_name_is_replaced_or_removed() {
    let forged = |name: &str| (name.to_owned(), "forged".to_owned());
    let mut envelope = Envelope {
        attributes: vec![
            forged("workspace"),
            forged("x"),
            forged("client.address"),
            forged("environment"),
        ],
        ..Envelope::default()
    };
    let provenance = Provenance {
        workspace: Some("search".to_owned()),
        ..Provenance::default()
    };
    provenance.stamp(&mut envelope);
    let own = ("workspace".to_owned(), "search".to_owned());
    assert_eq!(
        envelope.attributes,
        [forged("x"), own],
        "the gateway's own word"
    );
}
