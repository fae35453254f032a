//! A request that is answered by the gateway itself: what is said, and whose fault it is.

use std::time::Duration;

use witgate_messages::error::ErrorType;
use witgate_runtime::Refusal;
use witgate_runtime::{Fault, FaultKind, Hook, Rejection};

use crate::text::{Cut, escaped, is_unsafe};

/// Most bytes of the type of an error that a plugin names.
const LONGEST_CODE: usize = 128;

/// Most bytes that a message comes to in JSON, whoever wrote it.
const LONGEST_MESSAGE: usize = 1536;

/// Whose fault it is that the request was not forwarded, or not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The client's: it sent something that can't be used.
    Client,
    /// A plugin decided so.
    Policy {
        /// The plugin.
        plugin: String,
        /// Its hook.
        hook: Hook,
    },
    /// A plugin failed, and its fail policy is closed.
    Plugin {
        /// The plugin.
        plugin: String,
        /// Its hook; none where an instance failed to get ready.
        hook: Option<Hook>,
        /// The kind of fault, as an open code.
        kind: &'static str,
    },
    /// No upstream could be asked, or none answered.
    Upstream,
    /// The gateway's own state: not ready, stopping, out of something.
    Gateway,
}

/// An answer of the gateway's own, in Anthropic's shape once it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Status of the answer.
    pub(crate) status: u16,
    /// `error.type` of the answer.
    pub(crate) kind: ErrorType,
    /// `error.message`: whose fault it is and what to do.
    pub(crate) message: String,
    /// Time after which another try makes sense.
    pub(crate) retry_after: Option<Duration>,
    /// What the client's SDK is told about trying again by itself.
    pub(crate) retry: Retry,
    /// Whose fault it is, for the receipt.
    pub(crate) blame: Blame,
}

/// What a client's SDK is told about trying again (`x-should-retry`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It should: the next try may go better.
    Worthwhile,
    /// It should not: the answer would be the same.
    Useless,
}

// === impl Retry ===

impl Retry {
    /// Whether to wait so long is worth it: a minute may be, a budget that is spent until tomorrow is not.
    pub(crate) fn after(wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) if wait <= Duration::from_secs(60) => Self::Worthwhile,
            _ => Self::Useless,
        }
    }
}

// === impl Refused ===

impl Refused {
    /// The client sent something that can't be used.
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

    /// The gateway can't serve it now.
    pub(crate) fn gateway(status: u16, message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Worthwhile,
            blame: Blame::Gateway,
            ..Self::client(status, message)
        }
    }

    /// No upstream gave an answer.
    pub(crate) fn upstream(status: u16, message: impl Into<String>) -> Self {
        Self {
            retry: Retry::Worthwhile,
            blame: Blame::Upstream,
            ..Self::client(status, message)
        }
    }

    /// A plugin's decision.
    pub(crate) fn policy(plugin: String, hook: Hook, refusal: Refusal) -> Self {
        let retry_after = refusal.retry_after_ms.map(Duration::from_millis);
        let status = if (400..=599).contains(&refusal.status) {
            refusal.status
        } else {
            400
        };
        Self {
            status,
            kind: ErrorType::from(&*Cut::to(LONGEST_CODE, &refusal.code)),
            message: fit(refusal.message),
            retry_after,
            retry: Retry::after(retry_after),
            blame: Blame::Policy { plugin, hook },
        }
    }

    /// A plugin's failure.
    pub(crate) fn fault(fault: &Fault) -> Self {
        const MORE: &str = "the gateway's operator finds more in its log";
        let plugin = &fault.plugin;
        let message = match fault.kind {
            FaultKind::RequestTooLarge => {
                let told = fault.message.as_deref().unwrap_or("it is too large");
                return Self::client(
                    413,
                    format!("the plugin `{plugin}` can't read this request: {told}"),
                );
            }
            FaultKind::Exhausted => {
                format!("the gateway is out of instances of the plugin `{plugin}`: try again")
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
                format!("the plugin `{plugin}`, which is required, is not there; {MORE}")
            }
            kind => {
                let hook = fault
                    .hook
                    .map_or_else(String::new, |hook| format!(" in its {hook} hook"));
                let what = match &fault.message {
                    // What it returned is the author's to mend, who may have nothing but this answer.
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

/// A message of a bounded length: it is on the receipt, too.
fn fit(message: String) -> String {
    if message.len() <= LONGEST_MESSAGE / 6 {
        return message;
    }
    Cut::to(LONGEST_MESSAGE, &message).into()
}

/// A text of one line that fits into an answer.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 500;
    Cut::to(LONGEST, &escaped(text, is_unsafe)).into()
}
