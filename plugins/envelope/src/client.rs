//! Facts that the client states about itself: the headers of Claude Code, and `metadata.user_id`.
//!
//! The `user_id` of Claude Code is JSON text, `{"device_id", "account_uuid", "session_id"}`, or in older versions
//! `user_DEVICE_account_ACCOUNT_session_SESSION`. For other clients it is an opaque name of the user.

use serde::Deserialize;
use witgate_plugin::Request;
use witgate_plugin::types::{Attribute, Refusal};

/// Session, agent and user, if the client states them.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) session: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) user: Option<String>,
    /// `agent.parent`, `agent.type`, `request.class` and `prompt.id`.
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct UserId {
    device_id: Option<String>,
    account_uuid: Option<String>,
    session_id: Option<String>,
}

/// Maximum length of a `user_id`, in bytes. The API accepts 256 characters, and Claude Code sends 200.
const MAX_USER_ID_BYTES: usize = 4096;

/// Headers of Claude Code that become attributes.
const HINTS: [(&str, &str); 4] = [
    ("x-claude-code-parent-agent-id", "agent.parent"),
    ("x-claude-code-agent-type", "agent.type"),
    ("x-claude-code-request-class", "request.class"),
    ("x-claude-code-prompt-id", "prompt.id"),
];

// === impl Client ===

impl Client {
    /// Reads the facts of a request.
    ///
    /// # Errors
    ///
    /// Returns a 400 for a `user_id` that is too long.
    pub(crate) fn of(request: &Request<'_>) -> Result<Self, Refusal> {
        let user_id = request.user_id();
        if user_id.is_some_and(|id| id.len() > MAX_USER_ID_BYTES) {
            let most = format!("{MAX_USER_ID_BYTES} bytes");
            return Err(Refusal::too_much("metadata.user_id", &most));
        }
        let (user, session) = user_id.map(identity).unwrap_or_default();
        let hints = request.headers("x-claude-code-");
        let hint = |header: &str| {
            let found = hints.iter().find(|(name, _)| *name == header);
            found.map(|(_, value)| (*value).to_owned())
        };
        let attribute = |(header, name): (&str, &str)| Some((name.to_owned(), hint(header)?));
        Ok(Self {
            session: hint("x-claude-code-session-id").or(session),
            agent: hint("x-claude-code-agent-id"),
            user,
            attributes: HINTS.into_iter().filter_map(attribute).collect(),
        })
    }
}

/// Returns the user and the session of a `metadata.user_id`. An account takes precedence over a device.
fn identity(user_id: &str) -> (Option<String>, Option<String>) {
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Ok(parts) = serde_json::from_str::<UserId>(user_id) {
        return (
            present(parts.account_uuid).or(present(parts.device_id)),
            present(parts.session_id),
        );
    }
    let parts = user_id.strip_prefix("user_").and_then(|rest| {
        let (device, rest) = rest.split_once("_account_")?;
        let (account, session) = rest.split_once("_session_")?;
        Some([account, device, session].map(|part| present(Some(part.to_owned()))))
    });
    match parts {
        Some([account, device, session]) => (account.or(device), session),
        None => (present(Some(user_id.to_owned())), None),
    }
}
