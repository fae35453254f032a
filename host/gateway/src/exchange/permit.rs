//! Between deciding and admitting: whether the caller may have what it names.
//!
//! Tenants share the upstream's credential, so the upstream would let each of them have everything. Whatever a request
//! names has to be its tenant's: the batch or file of its path, the container and the files of its body, also those that
//! a plugin's edits name. What is another's and what is not there get the same answer. A request that names nothing
//! costs a search through its body and no allocation.

use std::sync::Arc;

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::references::{BadBatch, References, each_params};

use super::decide::Decision;
use crate::gateway::Gateway;
use crate::keys::Caller;
use crate::owners::Kind;
use crate::refused::Refused;
use crate::state::StateError;
use crate::text::quote;
use crate::view::View;

/// Bodies above this size are searched off the request workers.
const LARGE: usize = 1 << 20;

/// Checks that there is a place to note whose things are, where the request is about some.
///
/// # Errors
///
/// 404 where there is none.
pub(super) fn served(gateway: &Gateway, view: &View) -> Result<(), Refused> {
    match kind(view.endpoint) {
        Some(kind) if gateway.state.is_none() => Err(Refused::client(
            404,
            format!(
                "{}s are not served: this gateway has no place to note whose they are (its operator sets [state] directory)",
                kind.code()
            ),
        )),
        _ => Ok(()),
    }
}

/// Checks what the request names.
///
/// # Errors
///
/// 403 for a model that the key may not ask for, 404 for what is not the tenant's, 400 for a batch whose requests
/// can't be told apart, 503 while the state can't be read.
pub(super) async fn permit(gateway: &Gateway, decision: &Decision) -> Result<(), Refused> {
    let view = &decision.view;
    if let Some(kind) = kind(view.endpoint)
        && let Some(id) = view.endpoint.id(&view.path)
    {
        own(gateway, &view.caller, kind, vec![id.to_owned()]).await?;
    }
    let Some(head) = &view.head else {
        return Ok(());
    };

    let batch = view.endpoint == Endpoint::Batches;
    let mut named = if head.body().len() > LARGE {
        let (head, caller) = (head.clone(), Arc::clone(&view.caller));
        let searched = tokio::task::spawn_blocking(move || search(&head, &caller, batch)).await;
        searched.map_err(|_| unsearched())??
    } else {
        search(head, &view.caller, batch)?
    };
    if batch {
        let edits = view.edits_of_requests(&decision.envelope);
        named.add_sets(&edits);
    }
    own(gateway, &view.caller, Kind::Container, named.containers).await?;
    own(gateway, &view.caller, Kind::File, named.files).await
}

/// What an endpoint is about, where that belongs to somebody.
pub(super) fn kind(endpoint: Endpoint) -> Option<Kind> {
    match endpoint {
        Endpoint::Batches | Endpoint::Batch | Endpoint::BatchCancel | Endpoint::BatchResults => {
            Some(Kind::Batch)
        }
        Endpoint::Files | Endpoint::File | Endpoint::FileContent => Some(Kind::File),
        _ => None,
    }
}

/// The answer for what is not there, or not for this caller.
pub(super) fn no_such(kind: &str, id: &str) -> Refused {
    Refused::client(404, format!("there is no {kind} `{}`", quote(id)))
}

/// The answer while it can't be said whose something is.
pub(super) fn no_state(error: &StateError) -> Refused {
    tracing::error!(%error, "the state can't be used");
    Refused::gateway(
        503,
        "the gateway's records can't be read or written: try again",
    )
}

async fn own(
    gateway: &Gateway,
    caller: &Caller,
    kind: Kind,
    ids: Vec<String>,
) -> Result<(), Refused> {
    if ids.is_empty() {
        return Ok(());
    }
    let owned = gateway
        .owners
        .owned(kind, ids.clone(), &caller.owner())
        .await
        .map_err(|error| no_state(&error))?;
    match ids.iter().find(|id| !owned.contains(id)) {
        Some(foreign) => Err(no_such(kind.code(), foreign)),
        None => Ok(()),
    }
}

/// Looks for what a body names, and at the models that it asks for.
fn search(head: &Head, caller: &Caller, batch: bool) -> Result<References, Refused> {
    if !batch {
        model(head, caller)?;
        return Ok(References::of(head));
    }
    let mut named = References::default();
    // Their models were looked at when each was decided about.
    let each = |_: usize, params: &Head| -> Result<(), Stop> {
        named.add_container(params);
        Ok(())
    };
    each_params(head, each).map_err(|Stop(refused)| refused)?;
    named.add_files(head.body());
    named.add_edits(head);
    Ok(named)
}

/// Checks that the key may ask for the model of a request.
///
/// # Errors
///
/// 403 where it may not.
pub(super) fn model(head: &Head, caller: &Caller) -> Result<(), Refused> {
    match head.model() {
        Some(model) if !caller.may_use(&model) => Err(Refused::client(
            403,
            format!(
                "this key may not ask for the model `{}`: GET /v1/models lists what it may ask for",
                quote(&model)
            ),
        )),
        // Whatever the upstream makes of it, it is not one of the key's.
        None if caller.models.is_some() && head.is_unread("model") => Err(Refused::client(
            403,
            "this key may ask for certain models only, and `model` is not a string: GET /v1/models lists what it may ask for",
        )),
        _ => Ok(()),
    }
}

fn unsearched() -> Refused {
    Refused::gateway(503, "the body can't be looked through now: try again")
}

/// A refusal on its way out of the walk through a batch.
struct Stop(Refused);

// === impl Stop ===

impl From<Refused> for Stop {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl From<BadBatch> for Stop {
    fn from(bad: BadBatch) -> Self {
        Self(Refused::client(400, bad.to_string()))
    }
}
