//! The link to a batch's results.

use bytes::Bytes;
use witgate_messages::head::Head;
use witgate_messages::page::id_of;
use witgate_messages::splice::{Edit, splice};

use crate::tenants::owners::Kind;

/// Points a batch's `results_url`, which clients follow unchanged, at this gateway. It is given without a host, so that
/// clients resolve it against their own base URL, whatever stands before the gateway.
pub(super) fn turn_results(kind: Kind, json: &Bytes) -> Bytes {
    let turned = || {
        let head = Head::scan(json.clone()).ok()?;
        head.member("results_url")
            .filter(|url| url.starts_with('"'))?;
        let id = id_of(json)?;
        let url = serde_json::Value::from(format!("/v1/messages/batches/{id}/results"));
        let parts = splice(&head, &[Edit::Set("results_url".into(), url.to_string())]);
        Some(parts.ok()?.into_parts().concat().into())
    };
    match kind {
        Kind::Batch => turned().unwrap_or_else(|| json.clone()),
        Kind::File | Kind::Container | Kind::Skill => json.clone(),
    }
}
