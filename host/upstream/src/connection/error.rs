//! Failures of a request before any byte of an answer.

use std::time::Duration;

use pingora_core::{Error, ErrorType};

use crate::Upstream;
use crate::dialect::Unfit;
use crate::limit::Limit;

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection: the name, the network, or TLS.
    #[error("no connection to the upstream {upstream}: {reason}")]
    Connect {
        /// The name of the upstream.
        upstream: String,
        /// A description of the failure.
        reason: String,
    },
    /// The connection broke before the head of an answer.
    #[error("the upstream {upstream} closed the connection before it answered: {reason}")]
    Broken {
        /// The name of the upstream.
        upstream: String,
        /// A description of the failure.
        reason: String,
    },
    /// No head of an answer in time.
    #[error("the upstream {upstream} gave no answer {limit}")]
    Timeout {
        /// The name of the upstream.
        upstream: String,
        /// The limit that elapsed.
        limit: Limit,
    },
    /// A head that cannot be read.
    #[error("the upstream {upstream} answered with something that is not HTTP: {reason}")]
    Malformed {
        /// The name of the upstream.
        upstream: String,
        /// A description of the failure.
        reason: String,
    },
    /// No credential of the pool takes the request now. The last answer, if there was one, said so.
    #[error("the upstream {upstream} has reached the rate limits of all credentials for it")]
    Exhausted {
        /// The name of the upstream.
        upstream: String,
        /// The time until a credential takes requests again, if that is known.
        retry_after: Option<Duration>,
    },
    /// A request that HTTP/2 cannot carry. Nothing was sent.
    #[error("the request cannot be sent to the upstream {upstream}, which speaks HTTP/2: {reason}")]
    Unsendable {
        /// The name of the upstream.
        upstream: String,
        /// The part of the request that cannot be sent.
        reason: String,
    },
    /// A request that the upstream's dialect cannot carry. Nothing was sent.
    #[error("the upstream {upstream} cannot take this request: {unfit}")]
    Unfit {
        /// The name of the upstream.
        upstream: String,
        /// The reason, and its consequences.
        unfit: Unfit,
    },
    /// A request without the credential that it needs. Nothing was sent.
    #[error(
        "the upstream {upstream} cannot be asked, because the gateway has no credential for it: {reason}"
    )]
    NoCredential {
        /// The name of the upstream.
        upstream: String,
        /// The reason.
        reason: String,
    },
}

/// A failure on one connection, by whether the request may be sent once more.
pub(super) enum Failure {
    /// The upstream has not begun to process the request, as far as can be told.
    Retriable(RequestError),
    /// The upstream may have processed the request.
    Final(RequestError),
}

// === impl Failure ===

impl Failure {
    /// Classifies a failure on a connection that was closed while it waited in the pool (`reused`), or on a new one.
    pub(super) fn on(error: RequestError, reused: bool) -> Self {
        match error {
            RequestError::Broken { .. } if reused => Self::Retriable(error),
            error => Self::Final(error),
        }
    }
}

// === impl Upstream ===

impl Upstream {
    pub(super) fn connect_error(&self, reason: String) -> RequestError {
        RequestError::Connect {
            upstream: self.config.name.clone(),
            reason,
        }
    }

    pub(super) fn timeout(&self, limit: Limit) -> RequestError {
        RequestError::Timeout {
            upstream: self.config.name.clone(),
            limit,
        }
    }

    pub(super) fn broken(&self, reason: String) -> RequestError {
        RequestError::Broken {
            upstream: self.config.name.clone(),
            reason,
        }
    }

    pub(super) fn malformed(&self, reason: String) -> RequestError {
        RequestError::Malformed {
            upstream: self.config.name.clone(),
            reason,
        }
    }

    pub(super) fn unsendable(&self, reason: String) -> RequestError {
        RequestError::Unsendable {
            upstream: self.config.name.clone(),
            reason,
        }
    }
}

/// Describes an error of the HTTP layer in one line, without local addresses or bytes of the answer.
pub(super) fn describe(error: &Error) -> String {
    let text = match error.etype() {
        ErrorType::ConnectRefused => "refused",
        ErrorType::ConnectTimedout => "not made in time",
        ErrorType::ConnectNoRoute => "there is no route to it",
        ErrorType::TLSHandshakeTimedout => "the TLS handshake was not done in time",
        // The context quotes what was read.
        ErrorType::InvalidHTTPHeader => "its head can't be parsed",
        kind => {
            return match error.context.as_ref() {
                Some(context) => format!("{} ({})", kind.as_str(), context.as_str()),
                None => kind.as_str().to_owned(),
            };
        }
    };
    text.to_owned()
}
