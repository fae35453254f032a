//! Scopes of tokens.

/// The scope of tokens for Vertex AI.
pub(super) const PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The scope of a token that only asks for another one.
pub(super) const IAM: &str = "https://www.googleapis.com/auth/iam";
