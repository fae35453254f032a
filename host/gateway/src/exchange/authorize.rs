//! Authorizes a decided request: the caller's tenant has to own every resource that the request names.
//!
//! Tenants share the upstream's credential, so the upstream would give each of them everything. A request names the batch, file
//! or skill of its path, and the containers, files and skills of its body and of the plugins' edits. Another tenant's resource
//! gets the same answer as one that does not exist. A request that names none costs a search through its body and no
//! allocation.

use std::sync::Arc;

use http::Method;
use witgate_messages::batch::{Batch, MAX_REQUESTS};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::references::References;

use super::decide::Decision;
use super::decide::batch_context::BatchContext;
use super::decide::model_access::{has_model, model};
use crate::answer::refused::Refused;
use crate::exchange::view::View;
use crate::gateway::Gateway;
use crate::store::{Durability, StoreError};
use crate::tenants::keys::Caller;
use crate::tenants::owners::Kind;
use crate::text::quote;

/// What a request's body names of the things that upstreams keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Nothing,
    /// Containers, files or skills.
    Resources,
}

/// Largest number of different resources of a kind that a body may name.
const MAX_RESOURCES: usize = 1_000;

/// The same limit for a batch: one for each of its requests.
const MAX_RESOURCES_IN_BATCH: usize = MAX_REQUESTS;

/// Longest id of a resource, in bytes.
const MAX_ID_BYTES: usize = 256;

/// Size in bytes above which a body is searched on a blocking thread.
const BLOCKING_THRESHOLD: usize = 1 << 20;

/// Checks that the gateway keeps durable records of owners, if the request is about a resource with an owner.
///
/// # Errors
///
/// 404 if it does not.
pub(super) fn require_ownership_records(gateway: &Gateway, view: &View) -> Result<(), Refused> {
    match Kind::of(view.endpoint) {
        Some(kind) if gateway.store.durability() == Durability::Process => Err(Refused::client(
            404,
            format!(
                "{} are not served: this gateway has no state directory in which to record their owners; its operator can set `directory` in [state]",
                kind.plural()
            ),
        )),
        _ => Ok(()),
    }
}

/// Checks that the caller may use everything that the request names, and returns what its body names.
///
/// # Errors
///
/// - 400: the body names too many resources, no model although the key is limited to some, or is no valid batch.
/// - 403: a model that the key may not use.
/// - 404: a resource that the tenant does not own.
/// - 503: the store can't be read.
pub(super) async fn authorize(gateway: &Gateway, decision: &Decision) -> Result<Named, Refused> {
    let view = &decision.view;
    if let Some(kind) = Kind::of(view.endpoint)
        && let Some(id) = view.endpoint.id(&view.path)
    {
        let reads = [Method::GET, Method::HEAD].contains(&view.method);
        if !(reads && kind == Kind::Skill && decision.is_shared(id)) {
            require_owned(gateway, &view.caller, kind, &[id.to_owned()]).await?;
        }
    }
    if asks_a_model(view.endpoint) {
        let planned = decision.targets.iter().all(|it| it.model.is_some());
        has_model(view.head.as_ref(), &view.caller, planned)?;
    }
    let Some(head) = &view.head else {
        return Ok(Named::Nothing);
    };

    let batch = match &decision.batch {
        BatchContext::Creates(batch) => Some(batch),
        BatchContext::None | BatchContext::At(_) => None,
    };
    let mut named = if head.body().len() > BLOCKING_THRESHOLD {
        let (head, caller) = (head.clone(), Arc::clone(&view.caller));
        let batch = batch.map(|batch| Arc::clone(&batch.batch));
        let search = move || search(&head, &caller, batch.as_deref());
        let searched = tokio::task::spawn_blocking(search).await;
        searched.map_err(|_| search_failed())??
    } else {
        search(head, &view.caller, batch.map(|batch| &*batch.batch))?
    };
    if let Some(batch) = batch {
        named.add_sets(&batch.edits);
        decision
            .changes
            .iter()
            .for_each(|edits| named.add_sets(edits));
    }
    for edited in decision.targets.iter().filter_map(|it| it.head.as_deref()) {
        named.add_sets(edited.edits());
        model(edited, &view.caller)?;
    }
    if named.is_over() {
        return Err(too_many(
            batch.map_or(MAX_RESOURCES, |_| MAX_RESOURCES_IN_BATCH),
        ));
    }
    let caller = &view.caller;
    let (containers, files) = (named.take_containers(), named.take_files());
    require_owned(gateway, caller, Kind::Container, &containers).await?;
    require_owned(gateway, caller, Kind::File, &files).await?;
    let mut skills = named.take_skills();
    let names_nothing = [&containers, &files, &skills]
        .into_iter()
        .all(Vec::is_empty);
    skills.retain(|skill| !decision.is_shared(skill));
    require_owned(gateway, caller, Kind::Skill, &skills).await?;
    Ok(match names_nothing {
        true => Named::Nothing,
        false => Named::Resources,
    })
}

fn too_many(max: usize) -> Refused {
    Refused::client(
        400,
        format!("the body names more than {max} containers, files or skills: send fewer at a time"),
    )
}

/// Returns whether requests to this endpoint name a model.
fn asks_a_model(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens)
}

/// Returns the 404 for a resource that does not exist, or that another tenant owns.
pub(super) fn not_found(kind: &str, id: &str) -> Refused {
    Refused::client(404, format!("there is no {kind} `{}`", quote(id)))
}

async fn require_owned(
    gateway: &Gateway,
    caller: &Caller,
    kind: Kind,
    ids: &[String],
) -> Result<(), Refused> {
    // No resource has such an id, so it needs no query.
    if let Some(long) = ids.iter().find(|id| id.len() > MAX_ID_BYTES) {
        return Err(not_found(kind.code(), long));
    }
    if ids.is_empty() {
        return Ok(());
    }
    match gateway.owners.foreign(kind, ids, &caller.owner()).await? {
        Some(foreign) => Err(not_found(kind.code(), &foreign)),
        None => Ok(()),
    }
}

/// Collects the resources that a body names, and checks its models. Those of a batch were checked when each request was
/// decided.
fn search(head: &Head, caller: &Caller, batch: Option<&Batch>) -> Result<References, Refused> {
    let Some(batch) = batch else {
        model(head, caller)?;
        return Ok(References::of(head, MAX_RESOURCES));
    };
    let mut named = References::with_room(MAX_RESOURCES_IN_BATCH);
    for index in 0..batch.len() {
        let params = batch.params(head, index);
        let params = params.map_err(|bad| Refused::client(400, bad.to_string()))?;
        named.add_container(&params);
    }
    named.add_files(head.body());
    named.add_edits(head);
    Ok(named)
}

fn search_failed() -> Refused {
    Refused::gateway(503, "the gateway failed to search the body: try again")
}

// === impl Refused ===

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the owners of resources can't be read or recorded");
        Self::gateway(
            503,
            "the gateway's records can't be read or written: try again",
        )
    }
}
