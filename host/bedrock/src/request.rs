//! Requests of the Messages API as requests for Bedrock.
//!
//! The model is named by the path, streaming by the operation, and betas by a member of the body. A body keeps its bytes
//! except for edits of single members ([`Edit`]), and for the requests that count tokens, which carry it in Base64.

mod count;
mod headers;

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_dialect::betas;
use witgate_messages::{Edit, EditError, Head, splice};

use crate::model::{BadModelId, UnknownModel};
use crate::pairs::{self, Policy, Unfit};
use crate::{ModelId, Models};

pub use count::{BadCount, count_answer};
pub use headers::passes;

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

/// The endpoint of the API that a request was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
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

/// The error of a request that cannot be sent to Bedrock. Each variant says who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Untranslatable {
    /// The request names no model, which is the client's fault.
    #[error("the request has no `model`, which Amazon Bedrock takes from its path")]
    NoModel,
    /// The model is unknown: the client's fault, or the operator's, who can map the name.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// The id of the model is none: the operator's fault.
    #[error(transparent)]
    BadModelId(#[from] BadModelId),
    /// The body's own `anthropic_beta` is no list of names, which is the client's fault.
    #[error("`anthropic_beta` of the body is not a list of strings")]
    BadBetas,
    /// The policy refuses parts of the request: the client's fault, or that of the one who routed it.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// An edit breaks the body, which is this crate's fault.
    #[error("an edit for Amazon Bedrock breaks the body: {0}")]
    Edit(#[from] EditError),
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
    let name = head.model().ok_or(Untranslatable::NoModel)?;
    let model = models.id(&name)?;
    let named = betas::of(head, header("anthropic-beta")).ok_or(Untranslatable::BadBetas)?;
    let fit = pairs::fit(head, &named, &model, policy)?;
    let mut edits = fit.edits;
    edits.extend(["model", "stream"].map(|name| Edit::Remove(name.to_owned())));
    let absent = |name| head.member(name).is_none_or(|text| text == "null");
    if absent("anthropic_version") {
        edits.push(Edit::Set("anthropic_version".to_owned(), text(VERSION)));
    }
    edits.extend(betas::in_body(head, &fit.betas));
    // As Anthropic's SDKs do it: Bedrock ignores the header.
    let profile = header("anthropic-user-profile-id").into_iter().next();
    if let Some(profile) = profile.filter(|_| absent("user_profile_id")) {
        edits.push(Edit::Set("user_profile_id".to_owned(), text(profile)));
    }
    let counts = asked == Asked::CountTokens;
    if counts && absent("max_tokens") {
        edits.push(Edit::Set("max_tokens".to_owned(), "1".to_owned()));
    }
    let body = splice(head, &edits)?.into_parts();
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
        removed: fit.removed,
        model,
    })
}

/// Returns a text as JSON.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
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
