//! Retry advice in an answer: whether to retry, and when.
//!
//! The rules are those of the official SDKs, so that a gateway that retries does what its clients would have done: 408, 409, 429
//! and 5xx are retried unless `x-should-retry` says otherwise, and a delay given by the upstream takes precedence over any
//! backoff. Delays are not limited here: the caller decides how long is too long.

use std::time::{Duration, SystemTime};

/// The verdict on another attempt at the same upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A retry may succeed.
    Retry,
    /// The answer stands.
    Final,
}

/// An answer's advice about a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Retry or not.
    pub verdict: Verdict,
    /// The delay that the upstream asks for, or `None` if it does not, in which case a backoff applies.
    pub wait: Option<Duration>,
}

// === impl Advice ===

impl Advice {
    /// Reads an answer's status and headers. `header` looks up a header by its lowercase name; `now` is the reference for a
    /// delay given as a date.
    pub fn of<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>, now: SystemTime) -> Self {
        let wait = header("retry-after-ms")
            .and_then(decimal)
            .map(|thousandfold| thousandfold / 1000)
            .or_else(|| header("retry-after").and_then(|text| retry_after(text, now)))
            // A delay of zero or one that is over is ignored: the SDKs fall back to their backoff as well.
            .filter(|wait| !wait.is_zero());
        Self {
            verdict: verdict(status, header("x-should-retry")),
            wait,
        }
    }
}

fn verdict(status: u16, should_retry: Option<&str>) -> Verdict {
    let retry = match should_retry.map(str::trim) {
        // A successful answer is never retried, whatever it says.
        _ if status < 400 => false,
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 408 | 409 | 429 | 500..),
    };
    if retry {
        Verdict::Retry
    } else {
        Verdict::Final
    }
}

/// Parses `Retry-After`: a number of seconds or an HTTP date (RFC 9110, section 10.2.3). The SDKs accept fractions as well.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    decimal(text).or_else(|| {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        date.duration_since(now).ok()
    })
}

/// Parses a decimal number of seconds exactly.
fn decimal(text: &str) -> Option<Duration> {
    let (whole, fraction) = match text.trim().split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text.trim(), ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let nanos = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0, |nanos: u32, digit| {
            nanos * 10 + u32::from(digit.saturating_sub(b'0'))
        });
    Some(Duration::new(whole.parse().ok()?, nanos))
}
