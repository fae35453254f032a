//! Refusals: error responses of the gateway's own, with the party at fault.

use std::time::Duration;

use witgate_messages::error::ErrorType;
use witgate_runtime::Refusal;
use witgate_runtime::{Fault, FaultKind, Hook, Rejection};

use crate::text::{Cut, escaped, is_unsafe};

/// Maximum length in bytes of an error type that a plugin chooses.
const MAX_CODE: usize = 128;

/// Maximum length of a message in JSON, in bytes.
const MAX_MESSAGE: usize = 1536;

/// The party at fault for a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The client sent an invalid request.
    Client,
    /// A plugin decided to refuse.
    Policy {
        /// The plugin's name.
        plugin: String,
        /// The hook that decided.
        hook: Hook,
    },
    /// A plugin failed, and its fail policy is closed.
    Plugin {
        /// The plugin's name.
        plugin: String,
        /// The hook that failed, or `None` if an instance could not be started.
        hook: Option<Hook>,
        /// The code of the fault.
        kind: &'static str,
    },
    /// No upstream was available, or none responded.
    Upstream,
    /// An upstream's capacity is used, or kept for others: nobody's fault.
    Capacity,
    /// The gateway is not ready, is stopping, or has exhausted a resource.
    Gateway,
}

/// A refusal, which is written as an error in Anthropic's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// HTTP status.
    pub(crate) status: u16,
    /// `error.type` of the body.
    pub(crate) kind: ErrorType,
    /// `error.message` of the body: what happened, whose fault it is, and what to do.
    pub(crate) message: String,
    /// Time after which a retry makes sense.
    pub(crate) retry_after: Option<Duration>,
    /// Advice to the client's SDK about automatic retries.
    pub(crate) retry: Retry,
    /// Party at fault, for the receipt.
    pub(crate) blame: Blame,
}

/// Advice to the client's SDK about automatic retries (`x-should-retry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// A retry may succeed.
    Worthwhile,
    /// A retry would get the same response.
    Useless,
}

// === impl Retry ===

impl Retry {
    /// Returns `Worthwhile` for a wait of up to a minute. A budget that is spent until tomorrow is not worth waiting for.
    pub(crate) fn after(wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) if wait <= Duration::from_secs(60) => Self::Worthwhile,
            _ => Self::Useless,
        }
    }
}

// === impl Refused ===

impl Refused {
    /// Returns a refusal of an invalid request.
    pub(crate) fn client(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: ErrorType::from_status(status),
            message: fit(message.into()),
            retry_after: None,
            retry: Retry::Useless,
            blame: Blame::Client,
        }
    }

    /// Returns a refusal because the gateway cannot serve the request now.
    pub(crate) fn gateway(status: u16, message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Worthwhile,
            blame: Blame::Gateway,
            ..Self::client(status, message)
        }
    }

    /// Returns a refusal because no upstream responded.
    pub(crate) fn upstream(status: u16, message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Worthwhile,
            blame: Blame::Upstream,
            ..Self::client(status, message)
        }
    }

    /// Returns the refusal that a plugin decided.
    pub(crate) fn policy(plugin: String, hook: Hook, refusal: Refusal) -> Self {
        let retry_after = refusal.retry_after_ms.map(Duration::from_millis);
        let status = if (400..=599).contains(&refusal.status) {
            refusal.status
        } else {
            400
        };
        Self {
            status,
            kind: ErrorType::from(&*Cut::to(MAX_CODE, &refusal.code)),
            message: fit(refusal.message),
            retry_after,
            retry: Retry::after(retry_after),
            blame: Blame::Policy { plugin, hook },
        }
    }

    /// Returns the refusal for a plugin's fault.
    pub(crate) fn fault(fault: &Fault) -> Self {
        const MORE: &str = "the gateway's log has the details for its operator";
        let plugin = &fault.plugin;
        let message = match fault.kind {
            FaultKind::RequestTooLarge => {
                let told = fault.message.as_deref().unwrap_or("it is too large");
                return Self::client(
                    413,
                    format!("the plugin `{plugin}` cannot read this request: {told}"),
                );
            }
            FaultKind::Exhausted => {
                format!("all instances of the plugin `{plugin}` are busy: try again")
            }
            FaultKind::StaleTable => {
                format!("a table that the plugin `{plugin}` decides by is too old; {MORE}")
            }
            FaultKind::Suspended => {
                format!("the plugin `{plugin}` is suspended after repeated faults; {MORE}")
            }
            FaultKind::SuspendedForCaller => {
                format!(
                    "the plugin `{plugin}` is suspended for this caller after repeated faults at its requests; {MORE}"
                )
            }
            FaultKind::Absent => {
                format!("the required plugin `{plugin}` is missing; {MORE}")
            }
            kind => {
                let hook = fault
                    .hook
                    .map_or_else(String::new, |hook| format!(" in its {hook} hook"));
                let what = match &fault.message {
                    // The plugin's author has to fix this, and may see nothing but this response.
                    Some(message) if kind == FaultKind::Contract => {
                        format!("{kind}: {}", shortened(message))
                    }
                    _ => kind.to_string(),
                };
                format!("the plugin `{plugin}` failed{hook} ({what}); {MORE}")
            }
        };
        Self {
            status: 503,
            kind: ErrorType::from_status(503),
            message,
            retry_after: Some(Duration::from_secs(1)),
            retry: Retry::Worthwhile,
            blame: Blame::Plugin {
                plugin: fault.plugin.to_string(),
                hook: fault.hook,
                kind: fault.kind.code(),
            },
        }
    }

    /// Returns the answer to a request that the plugins rejected.
    pub(crate) fn rejection(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Refusal {
                plugin,
                hook,
                refusal,
            } => Self::policy(plugin.to_string(), hook, refusal),
            Rejection::Fault(fault) => Self::fault(&fault),
            other => Self::gateway(other.status(), other.to_string()),
        }
    }
}

/// Cuts a message to the maximum length, because it also goes on the receipt.
fn fit(message: String) -> String {
    if message.len() <= MAX_MESSAGE / 6 {
        return message;
    }
    Cut::to(MAX_MESSAGE, &message).into()
}

/// Returns a text on one line, cut for a response.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 500;
    Cut::to(LONGEST, &escaped(text, is_unsafe)).into()
}
