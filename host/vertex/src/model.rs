//! Names of models on both sides.
//!
//! Models from Claude 4.6 on have the API's names. Older ones have their date behind an `@` ([`TABLE`]). An operator's own map
//! wins, and what has an `@` is an id of Vertex AI already.

use std::collections::BTreeMap;
use std::fmt;

/// Names of the API that Vertex AI calls otherwise, beyond the rule for dates.
///
/// Sources: Anthropic's page "Claude on Vertex AI" (platform.claude.com, build-with-claude/claude-on-vertex-ai) and Claude Code
/// 2.1.329. Short names of dated models are the aliases that the API accepts.
pub const TABLE: &[(&str, &str)] = &[
    ("claude-opus-4-5", "claude-opus-4-5@20251101"),
    ("claude-opus-4-1", "claude-opus-4-1@20250805"),
    ("claude-opus-4-0", "claude-opus-4@20250514"),
    ("claude-sonnet-4-5", "claude-sonnet-4-5@20250929"),
    ("claude-sonnet-4-0", "claude-sonnet-4@20250514"),
    ("claude-haiku-4-5", "claude-haiku-4-5@20251001"),
    (
        "claude-3-5-sonnet-20241022",
        "claude-3-5-sonnet-v2@20241022",
    ),
];

/// The longest id that is sent.
const MAX_ID: usize = 128;

/// The id of a model, as it stands in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelId(String);

/// The models that an operator's Vertex AI serves.
#[derive(Debug, Clone, Default)]
pub struct Models {
    own: BTreeMap<String, ModelId>,
}

/// The error of a text that is no id. The operator is at fault, or the client if the name is the client's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no id of a model on Vertex AI: ids have 1 to 128 letters, digits and -_.@, and begin with a letter"
)]
pub struct BadModelId {
    /// The text.
    pub text: String,
}

/// The error of a name that neither the operator's map nor the rule has. The client is at fault, or the operator, who can add
/// the name to the map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` has no id on Vertex AI that is known here: ask for a model of Anthropic's by its name, or map the name to an id"
)]
pub struct UnknownModel {
    /// The name.
    pub name: String,
}

// === impl ModelId ===

impl ModelId {
    /// Checks an id.
    ///
    /// # Errors
    /// [`BadModelId`] for a text that would be another path or method.
    pub fn try_new(text: &str) -> Result<Self, BadModelId> {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@');
        let begins = text.starts_with(|letter: char| letter.is_ascii_alphabetic());
        if !begins || !text.bytes().all(allowed) || text.len() > MAX_ID {
            let text = text.chars().take(100).collect();
            return Err(BadModelId { text });
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the id, which is one segment of a path without escapes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id without its version, as counts of tokens want it.
    pub fn family(&self) -> &str {
        self.0.split('@').next().unwrap_or_default()
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Models ===

impl Models {
    /// Returns the models of the rule, and the operator's own map of names to ids.
    pub fn new(own: BTreeMap<String, ModelId>) -> Self {
        Self { own }
    }

    /// Returns the id of a model by its name.
    ///
    /// # Errors
    /// [`UnknownModel`] for a name that is neither mapped nor one of Anthropic's.
    pub fn id(&self, name: &str) -> Result<ModelId, UnknownModel> {
        if let Some(id) = self.own.get(name) {
            return Ok(id.clone());
        }
        let unknown = || UnknownModel {
            name: name.chars().take(100).collect(),
        };
        if !name.starts_with("claude-") {
            return Err(unknown());
        }
        let mut rows = TABLE.iter();
        let id = match rows.find(|(known, _)| *known == name) {
            Some((_, id)) => (*id).to_owned(),
            None => with_version(name),
        };
        ModelId::try_new(&id).map_err(|_| unknown())
    }
}

/// Returns a name with its date behind an `@`, if it ends with one.
fn with_version(name: &str) -> String {
    let is_date = |text: &str| text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    match name.rsplit_once('-') {
        Some((model, date)) if is_date(date) => format!("{model}@{date}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
