//! Between deciding and admitting: whether the caller may have what it names.
//!
//! Tenants share the upstream's credential, so the upstream would let each of them have everything. Whatever a request
//! names has to be its tenant's: the batch or file of its path, the container and the files of its body, also those that
//! a plugin's edits name. What is another's and what is not there get the same answer. A request that names nothing
//! costs a search through its body and no allocation.

use std::sync::Arc;

use http::Method;
use witgate_messages::batch::MAX_REQUESTS;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::references::{BadBatch, References, each_params};

use super::decide::Decision;
use super::decide::model_access::{has_model, model};
use crate::answer::refused::Refused;
use crate::gateway::Gateway;
use crate::store::StateError;
use crate::tenants::keys::Caller;
use crate::tenants::owners::Kind;
use crate::text::quote;
use crate::view::View;

/// Most things of a kind that a body may name, each counted once.
const MOST: usize = 1_000;

/// The same for a batch: as many as a batch has requests.
const MOST_IN_BATCH: usize = MAX_REQUESTS;

/// Longest id, in bytes, that anything has.
const LONGEST_ID: usize = 256;

/// Bodies above this size are searched off the request workers.
const LARGE: usize = 1 << 20;

/// Checks that there is a place to note whose things are, where the request is about some.
///
/// # Errors
///
/// 404 where there is none.
pub(super) fn served(gateway: &Gateway, view: &View) -> Result<(), Refused> {
    match Kind::of(view.endpoint) {
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
/// 403 for a model that the key may not ask for, 404 for what is not the tenant's, 400 for a body that names too much, or
/// no model where the key needs one, or a batch whose requests can't be told apart; 503 while the state can't be read.
pub(super) async fn permit(gateway: &Gateway, decision: &Decision) -> Result<(), Refused> {
    let view = &decision.view;
    if let Some(kind) = Kind::of(view.endpoint)
        && let Some(id) = view.endpoint.id(&view.path)
    {
        let reads = [Method::GET, Method::HEAD].contains(&view.method);
        if !(reads && kind == Kind::Skill && decision.is_shared(id)) {
            own(gateway, &view.caller, kind, &[id.to_owned()]).await?;
        }
    }
    if asks_a_model(view.endpoint) {
        let planned = decision.targets.iter().all(|it| it.model.is_some());
        has_model(view.head.as_ref(), &view.caller, planned)?;
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
    if named.is_over() {
        return Err(too_many(most(batch)));
    }
    let caller = &view.caller;
    own(gateway, caller, Kind::Container, &named.take_containers()).await?;
    own(gateway, caller, Kind::File, &named.take_files()).await?;
    let mut skills = named.take_skills();
    skills.retain(|skill| !decision.is_shared(skill));
    own(gateway, caller, Kind::Skill, &skills).await
}

/// Most things of a kind that a body may name.
fn most(batch: bool) -> usize {
    match batch {
        true => MOST_IN_BATCH,
        false => MOST,
    }
}

fn too_many(most: usize) -> Refused {
    Refused::client(
        400,
        format!(
            "the body names more than {most} containers, files or skills: send fewer at a time"
        ),
    )
}

/// Whether a request to this endpoint is for a model.
fn asks_a_model(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens)
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
    ids: &[String],
) -> Result<(), Refused> {
    // Nothing has such an id, and nothing of it has to be looked up.
    if let Some(long) = ids.iter().find(|id| id.len() > LONGEST_ID) {
        return Err(no_such(kind.code(), long));
    }
    if ids.is_empty() {
        return Ok(());
    }
    let foreign = gateway.owners.foreign(kind, ids, &caller.owner()).await;
    match foreign.map_err(|error| no_state(&error))? {
        Some(foreign) => Err(no_such(kind.code(), &foreign)),
        None => Ok(()),
    }
}

/// Looks for what a body names, and at the models that it asks for.
fn search(head: &Head, caller: &Caller, batch: bool) -> Result<References, Refused> {
    if !batch {
        model(head, caller)?;
        return Ok(References::of(head, MOST));
    }
    let mut named = References::with_room(MOST_IN_BATCH);
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
