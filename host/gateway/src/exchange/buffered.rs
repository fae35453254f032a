//! Batches and files: what is created, listed and deleted, and whose it is.
//!
//! An answer is read whole before the client gets it: what it creates is claimed first, lists are filtered, and links that
//! lead past the gateway are turned to it.

pub(crate) mod fetch;
pub(super) mod list;
pub(crate) mod models;

use bytes::Bytes;
use http::Method;
use pingora_core::protocols::http::ServerSession;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::page::id_of;
use witgate_messages::splice::{Edit, splice};

use self::fetch::{Asker, Client, Question, Whole};
use super::admit::Admitted;
use super::authorize::{kind, no_state};
use super::decide::batch;
use super::relay::Delivered;
use super::settle::Settlement;
use crate::answer::refused::{Refused, Retry};
use crate::gateway::Gateway;
use crate::tenants::owners::{ClaimError, Kind};

/// Asks, looks at the answer, and delivers it.
///
/// # Errors
///
/// No upstream answered, the answer can't be used, or what it says can't be recorded.
pub(super) async fn absorb(
    admitted: Admitted,
    gateway: &Gateway,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let decision = admitted.decision;
    let view = &decision.view;
    let mut asker = Asker {
        decision: &decision,
        session: &mut *session,
        settlement: &mut *settlement,
    };
    let whole = match (view.endpoint, kind(view.endpoint)) {
        (Endpoint::Models, _) => models::list(&mut asker).await?,
        (Endpoint::Model, _) => models::one(&mut asker).await?,
        (Endpoint::Batches, _) if view.method == Method::POST => {
            create_batch(&mut asker, gateway).await?
        }
        (Endpoint::Batches | Endpoint::Files, Some(kind)) => {
            list::list(&mut asker, gateway, kind).await?
        }
        (Endpoint::Skills, _) => list::skills(&mut asker, gateway).await?,
        (_, Some(kind)) => one(&mut asker, gateway, kind).await?,
        (_, None) => {
            return Err(Refused::client(
                404,
                "this path is not served by this gateway",
            ));
        }
    };
    Ok(whole.deliver(session, settlement).await)
}

/// Creates a batch and claims it.
async fn create_batch(asker: &mut Asker<'_>, gateway: &Gateway) -> Result<Whole, Refused> {
    let decision = asker.decision;
    let body = batch::body(decision, asker.settlement).await?;
    let question = Question {
        method: Method::POST,
        path: "/v1/messages/batches",
        body: Some(&body.parts),
        client: Client::MayLeave,
    };
    let whole = ask_here(asker, question).await?;
    let whole = claim(gateway, asker.settlement, Kind::Batch, whole).await?;
    if whole.is_success() {
        batch::created(decision, &whole.body, gateway, asker.settlement).await?;
    }
    Ok(whole)
}

/// Retrieves, cancels or deletes one thing, which the caller has been found to own.
async fn one(asker: &mut Asker<'_>, gateway: &Gateway, kind: Kind) -> Result<Whole, Refused> {
    let decision = asker.decision;
    let view = &decision.view;
    let method = match view.method {
        Method::HEAD => Method::GET,
        ref method => method.clone(),
    };
    let delete = method == Method::DELETE;
    if delete {
        batch::before_deletion(view, &decision.snapshot, gateway).await?;
    }
    let question = Question {
        client: if method == Method::GET {
            Client::Needed
        } else {
            Client::MayLeave
        },
        body: (method == Method::POST).then_some([].as_slice()),
        method,
        path: &view.endpoint.upstream_path(&view.path),
    };
    let mut whole = asker.ask(&question).await?;
    if whole.is_success() {
        if delete && let Some(id) = view.endpoint.id(&view.path) {
            let forgotten = gateway.owners.forget(kind, id).await;
            // It is gone at the upstream either way; a claim on nothing harms nobody.
            let _ = forgotten.map_err(|error| no_state(&error));
        }
        whole.body = turn_results(kind, &whole.body);
    }
    Ok(whole)
}

/// As [`Asker::ask`], with the client's own path and query.
async fn ask_here(asker: &mut Asker<'_>, question: Question<'_>) -> Result<Whole, Refused> {
    let decision = asker.decision;
    let view = &decision.view;
    let path = view.endpoint.upstream_path(&view.path);
    asker
        .ask(&Question {
            path: &path,
            ..question
        })
        .await
}

/// Makes what an answer says was created the caller's, before anybody gets to know its id.
///
/// # Errors
///
/// The answer names nothing, or the claim can't be recorded.
pub(super) async fn claim(
    gateway: &Gateway,
    settlement: &Settlement,
    kind: Kind,
    mut whole: Whole,
) -> Result<Whole, Refused> {
    if !whole.is_success() {
        return Ok(whole);
    }
    let id = id_of(&whole.body).ok_or_else(|| {
        Refused::upstream(
            502,
            format!("the upstream created a {} and gave no id", kind.code()),
        )
    })?;
    let owner = settlement
        .receipt
        .caller
        .as_ref()
        .map(|caller| caller.owner())
        .unwrap_or_default();
    if let Err(error) = gateway.owners.claim(kind, &id, &owner).await {
        tracing::error!(%error, %id, kind = kind.code(), "what was created at the upstream is nobody's now");
        let mut refused = Refused::gateway(
            match error {
                ClaimError::Taken { .. } => 502,
                ClaimError::State(_) => 500,
            },
            format!(
                "the {} was created and could not be recorded: its id is in the gateway's log",
                kind.code()
            ),
        );
        // Another try would create it again.
        refused.retry = Retry::Useless;
        return Err(refused);
    }
    whole.body = turn_results(kind, &whole.body);
    Ok(whole)
}

/// Turns a batch's `results_url`, which clients follow as it stands, from the upstream to this gateway. It is given
/// without a host: clients take it from their own base URL, whatever stands before the gateway.
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
