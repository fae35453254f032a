//! Requests of the Messages API as requests for Vertex AI.
//!
//! The model, streaming and the place are named by the path, and the version by a member of the body. Betas stay in their header, as
//! in Anthropic's SDKs. A body keeps its bytes except for edits of single members ([`Edit`]).

mod headers;

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_dialect::Policy;
use witgate_dialect::betas;
use witgate_dialect::pairs::{Unfit, fit};
use witgate_messages::{Edit, EditError, Head, splice};

use crate::model::UnknownModel;
use crate::pairs::TABLE;
use crate::{ModelId, Models, Place};

pub use headers::passes;

/// The version of the API that Vertex AI serves by Google's and Anthropic's documentation.
pub const VERSION: &str = "vertex-2023-10-16";
/// A newer version, which Anthropic's SDKs send; by LiteLLM, Vertex AI takes it.
const NEWER: &str = "2026-10-21";

/// An operation of Vertex AI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `POST …/models/{model}:rawPredict`
    Predict,
    /// `POST …/models/{model}:streamRawPredict`
    StreamPredict,
    /// `POST …/models/count-tokens:rawPredict`
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

/// A request for Vertex AI, without its credential. Its method is `POST`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// The model.
    pub model: ModelId,
    /// The path, escaped. There is no query.
    pub path: String,
    /// The headers that the dialect sets. A header of the client goes on if it [`passes`].
    pub headers: Vec<(&'static str, String)>,
    /// The body in parts.
    pub body: SmallVec<[Bytes; 4]>,
    /// Names of what was removed, for a record.
    pub removed: Vec<String>,
}

/// The error of a request that cannot be sent to Vertex AI. Each variant says who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Untranslatable {
    /// The request names no model, which is the client's fault.
    #[error("the request has no `model`, which Vertex AI takes from its path")]
    NoModel,
    /// The model is unknown: the client's fault, or the operator's, who can map the name.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// The body's own `anthropic_beta` is no list of names, which is the client's fault.
    #[error("`anthropic_beta` of the body is not a list of strings")]
    BadBetas,
    /// The policy refuses parts of the request: the client's fault, or that of the one who routed it.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// An edit breaks the body, which is this crate's fault.
    #[error("an edit for Vertex AI breaks the body: {0}")]
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
    place: &Place,
    policy: &Policy,
) -> Result<Request, Untranslatable>
where
    H: IntoIterator<Item = &'h str>,
{
    let name = head.model().ok_or(Untranslatable::NoModel)?;
    let model = models.id(&name)?;
    let named = betas::of(head, header("anthropic-beta")).ok_or(Untranslatable::BadBetas)?;
    let fit = fit(&TABLE, head, &named, model.as_str(), policy)?;
    let operation = match asked {
        Asked::CountTokens => Operation::CountTokens,
        Asked::Messages if head.stream() => Operation::StreamPredict,
        Asked::Messages => Operation::Predict,
    };
    let mut edits = fit.edits;
    edits.extend(of_model(operation, &name, &model));
    // One place for betas is enough, and it is that of the SDKs.
    edits.extend(betas::in_body(head, &[]));
    let absent = |name| head.member(name).is_none_or(|text| text == "null");
    if absent("anthropic_version") {
        let mut asked_for = header("anthropic-version").into_iter();
        let newer = asked_for.any(|version| version.trim() == NEWER);
        let version = if newer { NEWER } else { VERSION };
        edits.push(Edit::Set("anthropic_version".to_owned(), text(version)));
    }
    // The header is the API's; the body's member is what Anthropic's SDK tells users of Vertex AI to set.
    let profile = header("anthropic-user-profile-id").into_iter().next();
    if let Some(profile) = profile.filter(|_| absent("user_profile_id")) {
        edits.push(Edit::Set("user_profile_id".to_owned(), text(profile)));
    }
    let body = splice(head, &edits)?.into_parts();
    Ok(Request {
        operation,
        path: operation.path(place, &model),
        headers: headers::of(&fit.betas),
        body,
        removed: fit.removed,
        model,
    })
}

/// Returns the edit of `model`: the path has it, but for counts, whose body names it without a version.
fn of_model(operation: Operation, name: &str, model: &ModelId) -> Option<Edit> {
    let member = "model".to_owned();
    match operation {
        Operation::Predict | Operation::StreamPredict => Some(Edit::Remove(member)),
        Operation::CountTokens if name == model.family() => None,
        Operation::CountTokens => Some(Edit::Set(member, text(model.family()))),
    }
}

/// Returns a text as JSON.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

// === impl Operation ===

impl Operation {
    /// Returns the path of this operation with a model.
    pub fn path(self, place: &Place, model: &ModelId) -> String {
        let (model, method) = match self {
            Self::Predict => (model.as_str(), "rawPredict"),
            Self::StreamPredict => (model.as_str(), "streamRawPredict"),
            Self::CountTokens => ("count-tokens", "rawPredict"),
        };
        let (project, location) = (place.project(), place.location());
        format!(
            "/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}:{method}"
        )
    }
}

#[cfg(test)]
mod tests;
