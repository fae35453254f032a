//! The table of betas and members, with the sources.
//!
//! The sources, by the short names that rows give:
//! - AWS: docs.aws.amazon.com/bedrock, "Anthropic Claude Messages API, request and response", with its list of betas, as
//!   github.com/coder/aibridge (`intercept/messages/base.go`) cites it.
//! - Claude Code: version 2.1.329, which asks Bedrock itself. Its requests with each model were recorded by a server on the same machine
//!   (`tests/fixtures/claude_code_on_bedrock.json`).
//! - LiteLLM: github.com/BerriAI/litellm, `litellm/anthropic_beta_headers_config.json` (`bedrock`), the type
//!   `BedrockInvokeAnthropicMessagesRequest`, and the transformation of requests for Bedrock.
//! - aibridge: the file above, as to models.
//! - Reports: public reports of users with Bedrock's answer.
//!
//! None of it was tried against Bedrock itself.

mod rows;

use crate::ModelId;

pub use rows::TABLE;

/// Members of a body that Bedrock takes, by LiteLLM's type; `user_profile_id` by the changelog of Anthropic's TypeScript SDK for
/// Bedrock (1.1.3). Claude Code sends those that it uses, `metadata` among them, to each model.
pub const TAKEN: &[&str] = &[
    "max_tokens",
    "messages",
    "system",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "metadata",
    "output_config",
    "context_management",
    "user_profile_id",
];

/// A row: betas, the members that belong to them, and the models with which Bedrock takes them.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The betas.
    pub betas: &'static [Beta],
    /// Paths of the members (`member.member`, `array[].member`, and `array[TYPE]` for elements whose `type` begins so), which
    /// are refused with other models.
    pub members: &'static [&'static str],
    /// The models with which they are taken.
    pub on: On,
    /// The certainty of the row.
    pub known: Known,
    /// The sources.
    pub source: &'static str,
}

/// A beta of a row.
#[derive(Debug, Clone, Copy)]
pub struct Beta {
    /// The name.
    pub name: &'static str,
    /// The fate with a model of the row.
    pub fate: Fate,
    /// The fate with any other model.
    pub elsewhere: Fate,
}

/// The fate of a beta on Bedrock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Bedrock takes it.
    Taken,
    /// Bedrock takes it under this name.
    Renamed(&'static str),
    /// A name on which nothing of a request depends there, and which is left out under any policy.
    Idle,
    /// Bedrock refuses it.
    Refused,
}

/// Models, by parts of their ids. The model behind an application's own profile is unknown, and belongs to no part.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// Every model.
    All,
    /// No model.
    Never,
    /// Models whose id has one of these parts.
    Only(&'static [&'static str]),
    /// Models whose id has none of these parts.
    Except(&'static [&'static str]),
}

/// The certainty of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// AWS or Anthropic say it.
    Documented,
    /// Users of Bedrock say it.
    Reported,
    /// The sources disagree, or none says it; the row is the careful choice.
    Unsure,
}

// === impl On ===

impl On {
    /// Returns true for a model of these.
    pub fn holds(&self, model: &ModelId) -> bool {
        let has = |parts: &[&str]| parts.iter().any(|part| model.as_str().contains(part));
        match self {
            Self::All => true,
            Self::Never => false,
            Self::Only(parts) => has(parts),
            Self::Except(parts) => !has(parts),
        }
    }
}

// === impl Row ===

impl Row {
    /// Returns the row of a beta.
    pub fn of_beta(name: &str) -> Option<(&'static Self, &'static Beta)> {
        TABLE.iter().find_map(|row| {
            let beta = row.betas.iter().find(|beta| beta.name == name)?;
            Some((row, beta))
        })
    }

    /// Returns the fate of one of the row's betas with this model.
    pub fn fate(&self, beta: &Beta, model: &ModelId) -> Fate {
        if self.on.holds(model) {
            beta.fate
        } else {
            beta.elsewhere
        }
    }
}
