//! What each kind of upstream does its own way: the one seam for servers that carry Messages in another dress.
//!
//! A further kind (Bedrock, Vertex) is a name in [`config::Kind`](crate::config::Kind), a [`Dialect`] here and nothing
//! else: the path that it is asked at, the credential that it is shown, and what its statuses say about it.

use std::sync::Arc;

use http::HeaderValue;

use super::Upstream;
use super::stats::Ended;
use crate::config::{CredentialHeader, Kind};

/// What an upstream is shown as its caller's credential.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    /// Nothing: it asks for nothing.
    Nothing,
    /// Its own credential, which takes the place of the caller's.
    Own(CredentialHeader, Arc<HeaderValue>),
    /// The caller's own `authorization` and `x-api-key`, as they came.
    Callers,
}

/// Where and as whom an upstream is asked.
#[derive(Debug)]
pub(crate) struct Addressed {
    /// Path and query.
    pub(crate) target: String,
    /// The credential.
    pub(crate) shown: Shown,
}

/// The ways of one kind of upstream.
pub(crate) trait Dialect: Sync {
    /// Where and as whom a request for this path of the API is sent.
    fn address(&self, upstream: &Upstream, path: &str) -> Addressed;

    /// What a status says about the upstream.
    fn ended(&self, status: u16) -> Ended;
}

/// The API of Anthropic.
struct Anthropic;

/// Any other server that speaks Messages at a base URL.
struct Messages;

// === impl Upstream ===

impl Upstream {
    /// The ways of its kind.
    pub(crate) fn kind(&self) -> &'static dyn Dialect {
        match self.config.kind {
            Kind::Anthropic => &Anthropic,
            Kind::Messages => &Messages,
        }
    }
}

/// The API's own path behind the base URL's, and the credential that is configured.
fn plain(upstream: &Upstream, path: &str) -> Addressed {
    Addressed {
        target: [&upstream.config.base.prefix, path].concat(),
        shown: upstream.shown(),
    }
}

// === impl Dialect ===

impl Dialect for Anthropic {
    fn address(&self, upstream: &Upstream, path: &str) -> Addressed {
        plain(upstream, path)
    }

    fn ended(&self, status: u16) -> Ended {
        match status {
            // The limits of an account, and the API's own word for having no capacity.
            429 | 529 => Ended::Overloaded,
            408 | 500.. => Ended::Badly,
            _ => Ended::Well,
        }
    }
}

impl Dialect for Messages {
    fn address(&self, upstream: &Upstream, path: &str) -> Addressed {
        plain(upstream, path)
    }

    fn ended(&self, status: u16) -> Ended {
        match status {
            // HTTP has no 529: servers in general say 503 when they are busy (RFC 9110, section 15.6.4).
            429 | 503 | 529 => Ended::Overloaded,
            408 | 500.. => Ended::Badly,
            _ => Ended::Well,
        }
    }
}
