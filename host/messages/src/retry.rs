//! What an answer says about asking again: whether, and when.
//!
//! The rules are those of the official SDKs, so that a gateway which retries by itself does what its clients would have
//! done: 408, 409, 429 and 5xx are tried again unless `x-should-retry` says otherwise, and the upstream's own wait is
//! kept before any backoff. Waits are whatever the upstream says: the caller decides how long is too long.

use std::time::{Duration, SystemTime};

/// Whether another try at the same upstream may go better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Retry,
    /// The answer stands.
    Final,
}

/// What one answer says about another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// Whether to try again.
    pub verdict: Verdict,
    /// How long the upstream wants to be left alone first; none when it does not say, which leaves it to a backoff.
    pub wait: Option<Duration>,
}

// === impl Advice ===

impl Advice {
    /// Reads an answer's status and headers. `header` looks a header up by its lower-case name; `now` is what a wait
    /// that is given as a date counts from.
    pub fn of<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>, now: SystemTime) -> Self {
        let wait = header("retry-after-ms")
            .and_then(decimal)
            .map(|thousandfold| thousandfold / 1000)
            .or_else(|| header("retry-after").and_then(|text| retry_after(text, now)))
            // A wait of nothing, or one that is over already, is no wait: the SDKs fall back to their backoff as well.
            .filter(|wait| !wait.is_zero());
        Self {
            verdict: verdict(status, header("x-should-retry")),
            wait,
        }
    }
}

fn verdict(status: u16, should_retry: Option<&str>) -> Verdict {
    let retry = match should_retry.map(str::trim) {
        // An answer that is no error is never asked for twice, whatever it says.
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

/// `Retry-After` is a number of seconds or an HTTP date (RFC 9110, section 10.2.3); the SDKs take fractions as well.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    decimal(text).or_else(|| {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        date.duration_since(now).ok()
    })
}

/// A decimal number of seconds, exactly.
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
