//! Answers that are read whole before the client gets them: batches, files, skills, and filtered lists of models.
//!
//! The caller becomes the owner of what an answer created before it learns the id, lists are filtered, and links that lead
//! past the gateway are pointed at it.

mod batches;
pub(crate) mod fetch;

mod list;
mod models;
mod named_models;
mod paging;
mod results_url;

use http::Method;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::page::id_of;

use self::fetch::{BufferedResponse, Fetch, FetchRequest, OnDisconnect};
use self::results_url::turn_results;
use super::admit::Admitted;
use super::decide::batch_context::BatchContext;
use super::delivery::Delivered;
use super::settle::Settlement;
use crate::answer::refused::{Refused, Retry};
use crate::gateway::Gateway;
use crate::listen::session::HttpSession;
use crate::tenants::owners::{ClaimError, Kind};

/// Sends a request, processes its answer, and delivers it.
///
/// # Errors
///
/// No upstream answered, the answer cannot be used, or what it created cannot be recorded.
pub(super) async fn absorb(
    admitted: Admitted,
    gateway: &Gateway,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let decision = admitted.decision;
    let view = &decision.view;
    let mut fetch = Fetch {
        decision: &decision,
        session: &mut *session,
        settlement: &mut *settlement,
    };
    let response = match (view.endpoint, Kind::of(view.endpoint)) {
        (Endpoint::Models, _) => models::list(&mut fetch).await?,
        (Endpoint::Model, _) => models::one(&mut fetch).await?,
        (Endpoint::Batches, _) if view.method == Method::POST => {
            create_batch(&mut fetch, gateway).await?
        }
        (Endpoint::Batches | Endpoint::Files, Some(kind)) => {
            list::list(&mut fetch, gateway, kind).await?
        }
        (Endpoint::Skills, _) => list::skills(&mut fetch, gateway).await?,
        (_, Some(kind)) => one(&mut fetch, gateway, kind).await?,
        (_, None) => {
            return Err(Refused::client(
                404,
                "this path is not served by this gateway",
            ));
        }
    };
    Ok(response.deliver(session, settlement).await)
}

/// Creates a batch and claims it.
async fn create_batch(
    fetch: &mut Fetch<'_>,
    gateway: &Gateway,
) -> Result<BufferedResponse, Refused> {
    let decision = fetch.decision;
    let body = batches::body(decision, fetch.settlement).await?;
    let request = FetchRequest {
        method: Method::POST,
        path: &decision.view.endpoint.upstream_path(&decision.view.path),
        body: Some(&body.parts),
        on_disconnect: OnDisconnect::Finish,
    };
    let response = fetch.send(&request).await?;
    let response = claim(gateway, fetch.settlement, Kind::Batch, response).await?;
    if response.is_success()
        && let BatchContext::Creates(batch) = &decision.batch
    {
        let (view, envelope) = (&decision.view, &decision.envelope);
        let created = &response.body;
        batches::created(
            &batch.batch,
            view,
            envelope,
            created,
            gateway,
            fetch.settlement,
        )
        .await?;
    }
    Ok(response)
}

/// Retrieves, cancels, or deletes one thing that the caller owns.
async fn one(
    fetch: &mut Fetch<'_>,
    gateway: &Gateway,
    kind: Kind,
) -> Result<BufferedResponse, Refused> {
    let decision = fetch.decision;
    let view = &decision.view;
    let method = match view.method {
        Method::HEAD => Method::GET,
        ref method => method.clone(),
    };
    let delete = method == Method::DELETE;
    if delete {
        batches::before_deletion(view, &decision.snapshot, gateway).await?;
    }
    let request = FetchRequest {
        on_disconnect: if method == Method::GET {
            OnDisconnect::Cancel
        } else {
            OnDisconnect::Finish
        },
        body: (method == Method::POST).then_some([].as_slice()),
        method,
        path: &view.endpoint.upstream_path(&view.path),
    };
    let mut response = fetch.send(&request).await?;
    if response.is_success() {
        if delete && let Some(id) = view.endpoint.id(&view.path) {
            let forgotten = gateway.owners.forget(kind, id).await;
            // The upstream has deleted it either way; a claim on what no longer exists does no harm.
            let _ = forgotten.map_err(Refused::from);
        }
        response.body = turn_results(kind, &response.body);
    }
    Ok(response)
}

/// Records the caller as the owner of what an answer says was created. Must run before the id is delivered.
///
/// # Errors
///
/// The answer names nothing, or the claim cannot be recorded.
pub(super) async fn claim(
    gateway: &Gateway,
    settlement: &Settlement,
    kind: Kind,
    mut response: BufferedResponse,
) -> Result<BufferedResponse, Refused> {
    if !response.is_success() {
        return Ok(response);
    }
    let id = id_of(&response.body).ok_or_else(|| {
        Refused::upstream(
            502,
            format!("the upstream created a {} and gave no id", kind.code()),
        )
    })?;
    let owner = settlement.owner().unwrap_or_default();
    if let Err(error) = gateway.owners.claim(kind, &id, &owner).await {
        tracing::error!(%error, %id, kind = kind.code(), "could not record the owner of what was created at the upstream");
        let mut refused = Refused::gateway(
            match error {
                ClaimError::Taken { .. } => 502,
                ClaimError::Store(_) => 500,
            },
            format!(
                "the {} was created and could not be recorded: its id is in the gateway's log",
                kind.code()
            ),
        );
        // A retry would create it again.
        refused.retry = Retry::Useless;
        return Err(refused);
    }
    response.body = turn_results(kind, &response.body);
    Ok(response)
}
