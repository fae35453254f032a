//! How a request is answered: as it comes, read whole first, or with a body that is never held as a whole.

use http::Method;
use pingora_core::protocols::http::ServerSession;
use witgate_messages::endpoint::Endpoint;

use super::decide::Decision;

/// How an answer comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// The request was read whole, the answer passes as it comes.
    Relay,
    /// The request was read whole, and of the answer only the head passes: the client asked with `HEAD`.
    Bare,
    /// The answer is read whole, looked at and recorded, then delivered.
    Absorb,
    /// The body passes as it comes, and the answer is read whole before it is delivered.
    Upload,
    /// Body and answer pass as they come.
    Stream,
}

// === impl Manner ===

impl Manner {
    /// The manner that a request is answered in.
    pub(super) fn of(decision: &Decision, session: &mut ServerSession) -> Self {
        let view = &decision.view;
        let head = view.method == Method::HEAD;
        match view.endpoint {
            Endpoint::Files | Endpoint::Skills if view.method == Method::POST => Self::Upload,
            Endpoint::SkillVersions if view.method == Method::POST => Self::Stream,
            Endpoint::Batches
            | Endpoint::Batch
            | Endpoint::BatchCancel
            | Endpoint::Files
            | Endpoint::File
            | Endpoint::Skills
            | Endpoint::Skill => Self::Absorb,
            Endpoint::Models | Endpoint::Model => {
                let as_they_are = view.caller.models.is_none()
                    && decision.snapshot.config.endpoints.resources.is_empty();
                if as_they_are && !head {
                    Self::Relay
                } else {
                    Self::Absorb
                }
            }
            Endpoint::PassThrough if has_body(&view.method) || !session.is_body_empty() => {
                Self::Stream
            }
            Endpoint::PassThrough
            | Endpoint::BatchResults
            | Endpoint::FileContent
            | Endpoint::SkillVersions
            | Endpoint::SkillVersion
            | Endpoint::SkillContent
                if head =>
            {
                Self::Bare
            }
            Endpoint::Messages
            | Endpoint::CountTokens
            | Endpoint::BatchResults
            | Endpoint::FileContent
            | Endpoint::SkillVersions
            | Endpoint::SkillVersion
            | Endpoint::SkillContent
            | Endpoint::PassThrough
            | Endpoint::Hello
            | Endpoint::Other => Self::Relay,
        }
    }
}

/// Whether requests of this method have a body, if only an empty one (RFC 9110, section 8.6).
fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}
