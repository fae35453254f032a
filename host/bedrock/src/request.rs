//! Requests of the Messages API as requests for Bedrock.
//!
//! The model is named by the path, streaming by the operation, and betas by a member of the body. A body keeps its bytes
//! except for edits of single members ([`Draft`]), and for the requests that count tokens, which carry it in Base64.

mod count;
mod headers;

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_dialect::request::{self, Draft};
use witgate_messages::Head;

use crate::pairs::{self, Policy, SERVICE};
use crate::{ModelId, Models};

pub use count::{BadCount, count_answer};
pub use headers::passes;
pub use witgate_dialect::{Asked, Untranslatable};

/// The version of the API that Bedrock serves, and the value that AWS's documentation requires.
pub const VERSION: &str = "bedrock-2023-05-31";

/// An operation of Bedrock, by botocore's model of the service `bedrock-runtime` (2023-09-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `POST /model/{modelId}/invoke`
    Invoke,
    /// `POST /model/{modelId}/invoke-with-response-stream`
    InvokeStream,
    /// `POST /model/{modelId}/count-tokens`
    CountTokens,
}

/// A request for Bedrock, unsigned. Its method is `POST`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// The model.
    pub model: ModelId,
    /// The path, escaped. There is no query.
    pub path: String,
    /// The headers that the dialect sets. A header of the client goes on if it [`passes`].
    pub headers: [(&'static str, &'static str); 2],
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
    asked: Asked,
    head: &Head,
    header: impl Fn(&str) -> H,
    models: &Models,
    policy: &Policy,
) -> Result<Request, Untranslatable>
where
    H: IntoIterator<Item = &'h str>,
{
    let name = request::model(head, SERVICE)?;
    let model = models.id(&name).map_err(Untranslatable::model)?;
    let mut draft = Draft::begin(&pairs::OF_BEDROCK, head, &header, model.as_str(), policy)?;
    draft.remove("model");
    draft.remove("stream");
    if draft.lacks("anthropic_version") {
        draft.set_text("anthropic_version", VERSION);
    }
    draft.betas_in_body();
    draft.profile_in_body(header("anthropic-user-profile-id"));
    if asked == Asked::CountTokens && draft.lacks("max_tokens") {
        draft.set("max_tokens", "1");
    }
    let (body, removed) = draft.finish()?;
    let (operation, model, body) = match asked {
        Asked::Messages if head.stream() => (Operation::InvokeStream, model, body),
        Asked::Messages => (Operation::Invoke, model, body),
        Asked::CountTokens => {
            let body = SmallVec::from_iter([count::body(&body)]);
            (Operation::CountTokens, model.foundation(), body)
        }
    };
    Ok(Request {
        operation,
        path: operation.path(&model),
        headers: headers::OF_EACH,
        body,
        removed,
        model,
    })
}

// === impl Operation ===

impl Operation {
    /// Returns the path of this operation with a model.
    pub fn path(self, model: &ModelId) -> String {
        let last = match self {
            Self::Invoke => "invoke",
            Self::InvokeStream => "invoke-with-response-stream",
            Self::CountTokens => "count-tokens",
        };
        format!("/model/{}/{last}", model.segment())
    }
}

#[cfg(test)]
mod tests;
