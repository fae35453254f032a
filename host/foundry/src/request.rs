//! Requests of the Messages API as requests for Foundry.
//!
//! The path has a prefix, and the model is a deployment. Everything else is the API's own: a body keeps its bytes except for edits of
//! single members ([`Edit`]).

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_dialect::Policy;
use witgate_dialect::betas;
use witgate_dialect::pairs::{Unfit, fit};
use witgate_messages::{Edit, EditError, Head, splice};

use crate::model::BadDeployment;
use crate::pairs::TABLE;
use crate::{Deployment, Models};

/// The version of the API for a client that names none.
const VERSION: &str = "2023-06-01";

/// An operation of Foundry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `POST /anthropic/v1/messages`
    Messages,
    /// `POST /anthropic/v1/messages/count_tokens`
    CountTokens,
}

/// A request for Foundry, without its credential. Its method is `POST`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// The deployment.
    pub deployment: Deployment,
    /// The path. There is no query.
    pub path: &'static str,
    /// The headers that the dialect sets. A header of the client goes on if it [`passes`].
    pub headers: Vec<(&'static str, String)>,
    /// The body in parts.
    pub body: SmallVec<[Bytes; 4]>,
    /// Names of what was removed, for a record.
    pub removed: Vec<String>,
}

/// The error of a request that cannot be sent to Foundry. Each variant says who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Untranslatable {
    /// The request names no model, which is the client's fault.
    #[error("the request has no `model`, by which Microsoft Foundry finds a deployment")]
    NoModel,
    /// The model is no deployment: the client's fault, or the operator's, who can map the name.
    #[error(transparent)]
    BadDeployment(#[from] BadDeployment),
    /// The body's own `anthropic_beta` is no list of names, which is the client's fault.
    #[error("`anthropic_beta` of the body is not a list of strings")]
    BadBetas,
    /// The policy refuses parts of the request: the client's fault, or that of the one who routed it.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// An edit breaks the body, which is this crate's fault.
    #[error("an edit for Microsoft Foundry breaks the body: {0}")]
    Edit(#[from] EditError),
}

/// Translates a request. `header` returns the values of all lines of a header by its lowercase name.
///
/// # Errors
/// [`Untranslatable`].
pub fn translate<'h, H>(
    operation: Operation,
    head: &Head,
    header: impl Fn(&str) -> H,
    models: &Models,
    policy: &Policy,
) -> Result<Request, Untranslatable>
where
    H: IntoIterator<Item = &'h str>,
{
    let name = head.model().ok_or(Untranslatable::NoModel)?;
    let deployment = models.deployment(&name)?;
    let named = betas::of(head, header("anthropic-beta")).ok_or(Untranslatable::BadBetas)?;
    // The rows speak of the API's models, and a deployment may have any name.
    let fit = fit(&TABLE, head, &named, &name, policy)?;
    let mut edits = fit.edits;
    if name != deployment.as_str() {
        let model = serde_json::Value::from(deployment.as_str()).to_string();
        edits.push(Edit::Set("model".to_owned(), model));
    }
    // The API takes betas of the header only.
    edits.extend(betas::in_body(head, &[]));
    let body = splice(head, &edits)?.into_parts();
    let version = header("anthropic-version").into_iter().next();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
        ("anthropic-version", version.unwrap_or(VERSION).to_owned()),
    ];
    if !fit.betas.is_empty() {
        headers.push(("anthropic-beta", fit.betas.join(",")));
    }
    Ok(Request {
        operation,
        path: operation.path(),
        deployment,
        headers,
        body,
        removed: fit.removed,
    })
}

/// Returns true for a client's header that may go on to Foundry, by its lowercase name.
///
/// Those do not that are set anew, nor do credentials and Azure's own headers.
pub fn passes(name: &str) -> bool {
    let foreign = ["x-ms-", "ocp-apim-", "apim-"];
    let ours = [
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "anthropic-workspace-id",
        "api-key",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "x-api-key",
    ];
    !foreign.iter().any(|prefix| name.starts_with(prefix)) && !ours.contains(&name)
}

// === impl Operation ===

impl Operation {
    /// Returns the path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Messages => "/anthropic/v1/messages",
            Self::CountTokens => "/anthropic/v1/messages/count_tokens",
        }
    }
}

#[cfg(test)]
mod tests;
