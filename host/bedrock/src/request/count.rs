//! Counts of tokens: the request carries the body of an invocation in Base64, and the answer has another name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

const BEFORE: &str = r#"{"input":{"invokeModel":{"body":""#;
const AFTER: &str = r#""}}}"#;

/// The error of an answer without a count. The upstream is at fault.
#[derive(Debug, thiserror::Error)]
#[error("Amazon Bedrock's answer to a count of tokens has no `inputTokens`: {0}")]
pub struct BadCount(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "inputTokens")]
    input_tokens: u64,
}

/// Returns the body of a request that counts the tokens of this body of an invocation.
pub(super) fn body(parts: &[Bytes]) -> Bytes {
    let plain = parts.concat();
    let mut body = String::with_capacity(BEFORE.len() + plain.len().div_ceil(3) * 4 + AFTER.len());
    body.push_str(BEFORE);
    STANDARD.encode_string(&plain, &mut body);
    body.push_str(AFTER);
    Bytes::from(body)
}

/// Returns the answer to a count as the API gives it: `{"input_tokens":…}`.
///
/// # Errors
/// [`BadCount`] for an answer without a count.
pub fn count_answer(body: &[u8]) -> Result<Bytes, BadCount> {
    let Answer { input_tokens } = serde_json::from_slice(body)?;
    Ok(Bytes::from(format!(r#"{{"input_tokens":{input_tokens}}}"#)))
}
