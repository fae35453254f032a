//! Requests of the Messages API as requests for Foundry.
//!
//! The path has a prefix, and the model is a deployment. Everything else is the API's own: a body keeps its bytes except for edits of
//! single members ([`Draft`]).

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_dialect::Policy;
use witgate_dialect::request::{self, Draft};
use witgate_messages::Head;

use crate::pairs::TABLE;
use crate::{Deployment, Models};

pub use witgate_dialect::Untranslatable;

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
    let name = request::model(head, TABLE.service)?;
    let deployment = models.deployment(&name).map_err(Untranslatable::model)?;
    // The rows speak of the API's models, and a deployment may have any name.
    let mut draft = Draft::begin(&TABLE, head, &header, &name, policy)?;
    if name != deployment.as_str() {
        draft.set_text("model", deployment.as_str());
    }
    // The API takes betas of the header only.
    draft.no_betas_in_body();
    let version = header("anthropic-version").into_iter().next();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
        ("anthropic-version", version.unwrap_or(VERSION).to_owned()),
    ];
    if !draft.betas().is_empty() {
        headers.push(("anthropic-beta", draft.betas().join(",")));
    }
    let (body, removed) = draft.finish()?;
    Ok(Request {
        operation,
        path: operation.path(),
        deployment,
        headers,
        body,
        removed,
    })
}

/// Returns true for a client's header that may go on to Foundry, by its lowercase name.
///
/// Those do not that are set anew, nor do credentials and Azure's own headers.
pub fn passes(name: &str) -> bool {
    let set = [
        "anthropic-beta",
        "anthropic-version",
        "anthropic-workspace-id",
        "api-key",
    ];
    request::passes(name, &["x-ms-", "ocp-apim-", "apim-"], &set)
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
