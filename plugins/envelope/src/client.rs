//! Facts that the client states about itself: the headers of Claude Code, and `metadata.user_id`.
//!
//! The `user_id` of Claude Code is JSON text, `{"device_id", "account_uuid", "session_id"}`, or in older versions
//! `user_DEVICE_account_ACCOUNT_session_SESSION`. For other clients it is an opaque name of the user.

use witgate_plugin::Request;
use witgate_plugin::json::{self, Json};
use witgate_plugin::types::{Attribute, Refusal};

use crate::header;

/// Session, agent and user, if the client states them.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) session: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) user: Option<String>,
    /// `agent.parent`, `agent.type`, `request.class` and `prompt.id`.
    pub(crate) attributes: Vec<Attribute>,
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
    /// Reads the facts of a request. `metadata.user_id` is read for the user, if the key has none and `reads_user` is set, and for the
    /// session if no header states it.
    ///
    /// # Errors
    ///
    /// Returns a 400 for a `user_id` that is too long.
    pub(crate) fn of(
        request: &Request<'_>,
        headers: &[(&str, &str)],
        reads_user: bool,
    ) -> Result<Self, Refusal> {
        let hint = |name: &str| header(headers, name).map(str::to_owned);
        let stated = hint("x-claude-code-session-id");
        // The key's own user comes before what the client says.
        let wants_user = reads_user && request.caller().user().is_none();
        let user_id = match wants_user || stated.is_none() {
            true => request.user_id(),
            false => None,
        };
        if user_id.is_some_and(|id| id.len() > MAX_USER_ID_BYTES) {
            let most = format!("{MAX_USER_ID_BYTES} bytes");
            return Err(Refusal::too_much("metadata.user_id", &most));
        }
        let (user, session) = user_id.map(identity).unwrap_or_default();
        let attribute = |(header, name): (&str, &str)| Some((name.to_owned(), hint(header)?));
        Ok(Self {
            session: stated.or(session),
            agent: hint("x-claude-code-agent-id"),
            user: user.filter(|_| wants_user),
            attributes: HINTS.into_iter().filter_map(attribute).collect(),
        })
    }
}

/// Returns the user and the session of a `metadata.user_id`. An account takes precedence over a device.
fn identity(user_id: &str) -> (Option<String>, Option<String>) {
    if let Some(parts) = claude_code(user_id) {
        return parts;
    }
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let parts = user_id.strip_prefix("user_").and_then(|rest| {
        let (device, rest) = cut(rest, "_account_")?;
        let (account, session) = cut(rest, "_session_")?;
        Some([account, device, session].map(|part| present(Some(part.to_owned()))))
    });
    match parts {
        Some([account, device, session]) => (account.or(device), session),
        None => (present(Some(user_id.to_owned())), None),
    }
}

/// Splits a text at the first occurrence of a separator. The standard library's search for a text is a lot of code.
fn cut<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let rest = |at: usize| text.get(at..)?.strip_prefix(separator);
    let at = (0..text.len()).find(|at| rest(*at).is_some())?;
    Some((text.get(..at)?, rest(at)?))
}

/// Returns the user and the session of a `user_id` that is JSON, or `None` if it is something else.
fn claude_code(user_id: &str) -> Option<(Option<String>, Option<String>)> {
    let parts = json::parse(user_id).ok()?;
    let part = |name: &str| match parts.get(name) {
        None | Some(Json::Null) => Some(None),
        Some(Json::Text(text)) => Some((!text.is_empty()).then(|| text.to_string())),
        Some(_) => None,
    };
    let is_table = matches!(parts, Json::Table(_));
    let (account, device) = (part("account_uuid")?, part("device_id")?);
    is_table.then_some((account.or(device), part("session_id")?))
}
