//! Requests of the Messages API as requests for Vertex AI.
//!
//! The model, streaming and the place are named by the path, and the version by a member of the body. Betas stay in their header, as
//! in Anthropic's SDKs. A body keeps its bytes except for edits of single members ([`Draft`]).

mod headers;

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_dialect::Policy;
use witgate_dialect::request::{self, Draft};
use witgate_messages::Head;

use crate::pairs::TABLE;
use crate::{ModelId, Models, Place};

pub use headers::passes;
pub use witgate_dialect::{Asked, Untranslatable};

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
    let name = request::model(head, TABLE.service)?;
    let model = models.id(&name).map_err(Untranslatable::model)?;
    let mut draft = Draft::begin(&TABLE, head, &header, model.as_str(), policy)?;
    let operation = match asked {
        Asked::CountTokens => Operation::CountTokens,
        Asked::Messages if head.stream() => Operation::StreamPredict,
        Asked::Messages => Operation::Predict,
    };
    // The path has the model, but for counts, whose body names it without a version.
    match operation {
        Operation::Predict | Operation::StreamPredict => draft.remove("model"),
        Operation::CountTokens if name == model.family() => {}
        Operation::CountTokens => draft.set_text("model", model.family()),
    }
    // One place for betas is enough, and it is that of the SDKs.
    draft.no_betas_in_body();
    if draft.lacks("anthropic_version") {
        let mut asked_for = header("anthropic-version").into_iter();
        let newer = asked_for.any(|version| version.trim() == NEWER);
        draft.set_text("anthropic_version", if newer { NEWER } else { VERSION });
    }
    // The header is the API's; the body's member is what Anthropic's SDK tells users of Vertex AI to set.
    draft.profile_in_body(header("anthropic-user-profile-id"));
    let headers = headers::of(draft.betas());
    let (body, removed) = draft.finish()?;
    Ok(Request {
        operation,
        path: operation.path(place, &model),
        headers,
        body,
        removed,
        model,
    })
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
