//! The differences between kinds of upstream, behind one trait.
//!
//! A further kind is a name in [`UpstreamKind`], and a [`Provider`] here: the path under which it serves the API, the credential that it
//! expects, and the meaning of its status codes. One that speaks another dialect than the API's also has a room in `dialect`.

use super::Upstream;
use super::credential::Credential;
use super::stats::Outcome;
use crate::config::UpstreamKind;

/// The destination of a request: path and query in two parts, and the credential to send.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    /// The path of the upstream's base URL.
    pub(crate) prefix: &'a str,
    /// The path and query below it.
    pub(crate) path: &'a str,
    pub(crate) credential: Credential,
}

/// The conventions of one kind of upstream.
pub(crate) trait Provider: Sync {
    /// Returns the destination of a request for this path of the API.
    fn destination<'a>(&self, upstream: &'a Upstream, path: &'a str) -> Destination<'a>;

    /// Returns what a status code says about the upstream's health.
    fn outcome(&self, status: u16) -> Outcome;
}

/// The API of Anthropic.
struct Anthropic;

/// Any other server that serves Messages at a base URL.
struct Messages;

/// A cloud with a dialect of its own, whose requests come with whole paths.
struct Cloud;

// === impl Upstream ===

impl Upstream {
    /// Returns the conventions of the upstream's kind.
    pub(crate) fn provider(&self) -> &'static dyn Provider {
        match self.config.kind {
            UpstreamKind::Anthropic => &Anthropic,
            UpstreamKind::Messages => &Messages,
            UpstreamKind::Bedrock | UpstreamKind::Vertex | UpstreamKind::Foundry => &Cloud,
        }
    }
}

/// Returns the API's own path below the base URL, with the configured credential.
fn plain<'a>(upstream: &'a Upstream, path: &'a str) -> Destination<'a> {
    Destination {
        prefix: &upstream.config.base.prefix,
        path,
        credential: upstream.credential.current(),
    }
}

// === impl Provider ===

impl Provider for Anthropic {
    fn destination<'a>(&self, upstream: &'a Upstream, path: &'a str) -> Destination<'a> {
        plain(upstream, path)
    }

    fn outcome(&self, status: u16) -> Outcome {
        match status {
            // Rate limits of the account, and the API's own status for lack of capacity.
            429 | 529 => Outcome::Overloaded,
            408 | 500.. => Outcome::Failure,
            _ => Outcome::Success,
        }
    }
}

impl Provider for Messages {
    fn destination<'a>(&self, upstream: &'a Upstream, path: &'a str) -> Destination<'a> {
        plain(upstream, path)
    }

    fn outcome(&self, status: u16) -> Outcome {
        match status {
            // HTTP has no 529: a busy server generally answers 503 (RFC 9110, section 15.6.4).
            429 | 503 | 529 => Outcome::Overloaded,
            408 | 500.. => Outcome::Failure,
            _ => Outcome::Success,
        }
    }
}

impl Provider for Cloud {
    fn destination<'a>(&self, upstream: &'a Upstream, path: &'a str) -> Destination<'a> {
        Destination {
            prefix: "",
            path,
            credential: upstream.credential.current(),
        }
    }

    fn outcome(&self, status: u16) -> Outcome {
        // Its errors have become the API's by now.
        Messages.outcome(status)
    }
}
