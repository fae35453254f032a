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
