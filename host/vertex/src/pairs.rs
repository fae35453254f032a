//! Betas and members that belong together, and what becomes of them on Vertex AI.
//!
//! The sources, by the short names that rows give:
//! - Google: cloud.google.com, "Claude on Vertex AI", and Anthropic: platform.claude.com, "Claude on Vertex AI", which says that all
//!   options of the Messages API are the same but for the model and the version.
//! - Claude Code: version 2.1.329, which asks Vertex AI itself. Its requests with each model were recorded by a server on the same machine
//!   (`tests/fixtures/claude_code.json`).
//! - LiteLLM: 1.110.2, `anthropic_beta_headers_config.json` (`vertex_ai` and `vertex_ai_header_only`) and its transformations for Vertex AI.
//! - Sibling: no source speaks of Vertex AI; the row is that of Bedrock, whose service also lags behind the API.
//!
//! None of it was tried against Vertex AI itself.

mod rows;

use witgate_dialect::pairs::{Fate, Members, Table};

pub use rows::ROWS;

/// Members of a body that Vertex AI takes. Claude Code sends those that it uses, `metadata` among them, to each model; `safeguards` by LiteLLM;
/// `user_profile_id` by Anthropic's TypeScript SDK for Vertex AI.
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
    "safeguards",
    "user_profile_id",
];

/// The table of Vertex AI.
pub const TABLE: Table = Table {
    service: "Vertex AI",
    rows: ROWS,
    unlisted: Fate::Refused,
    members: Members::Listed(TAKEN),
};

#[cfg(test)]
mod tests;
