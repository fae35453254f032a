//! Response modes: relayed as it arrives, buffered, or with a request body that is streamed.

use http::Method;
use witgate_messages::endpoint::Endpoint;

use super::decide::Decision;
use crate::listen::session::HttpSession;

/// The way a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseMode {
    /// The request is read whole, and the response is relayed as it arrives.
    Relay,
    /// The request is read whole, and only the head of the response is relayed: the method is `HEAD`.
    HeadOnly,
    /// The response is read whole, inspected and recorded, then delivered.
    Buffered,
    /// The request body is streamed, and the response is read whole before it is delivered.
    BufferedUpload,
    /// The request body is streamed, and the response is relayed as it arrives.
    Streamed,
}

// === impl ResponseMode ===

impl ResponseMode {
    /// Returns the mode for a request.
    pub(super) fn of(decision: &Decision, session: &mut HttpSession) -> Self {
        let view = &decision.view;
        let head = view.method == Method::HEAD;
        match view.endpoint {
            Endpoint::Files | Endpoint::Skills if view.method == Method::POST => {
                Self::BufferedUpload
            }
            Endpoint::SkillVersions if view.method == Method::POST => Self::Streamed,
            Endpoint::Batches
            | Endpoint::Batch
            | Endpoint::BatchCancel
            | Endpoint::Files
            | Endpoint::File
            | Endpoint::Skills
            | Endpoint::Skill => Self::Buffered,
            Endpoint::Models | Endpoint::Model => {
                let unfiltered = view.caller.models.is_none()
                    && decision.snapshot.config.endpoints.resources.is_empty();
                // A list of the operator's own names is made, not relayed.
                let mut targets = decision.targets.iter();
                let named = targets.any(|target| !target.upstream.named_models().is_empty());
                if unfiltered && !named && !head {
                    Self::Relay
                } else {
                    Self::Buffered
                }
            }
            Endpoint::PassThrough if has_body(&view.method) || !session.is_body_empty() => {
                Self::Streamed
            }
            Endpoint::PassThrough
            | Endpoint::BatchResults
            | Endpoint::FileContent
            | Endpoint::SkillVersions
            | Endpoint::SkillVersion
            | Endpoint::SkillContent
                if head =>
            {
                Self::HeadOnly
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

/// Returns whether requests with this method have a body, even if it is empty (RFC 9110, section 8.6).
fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}
