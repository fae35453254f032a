//! Headers.

/// The headers of each request, as Anthropic's SDKs send them, for streams, too.
pub(super) const OF_EACH: [(&str, &str); 2] = [
    ("content-type", "application/json"),
    ("accept", "application/json"),
];

/// Returns true for a client's header that may go on to Bedrock, by its lowercase name.
///
/// Headers of the API do not: Bedrock ignores them, and takes betas and versions from the body. Nor do credentials, what a
/// signature sets, and Bedrock's own headers, by which a client would choose guardrails, tiers and projects past the operator.
pub fn passes(name: &str) -> bool {
    witgate_dialect::request::passes(name, &["anthropic-", "x-amz-", "x-amzn-"], &[])
}
