//! `retry`: further tries at the same upstream.

use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

/// Maximum of `attempts`. After more, a client's own timeout has passed anyway.
const MAX_ATTEMPTS: u32 = 10;

/// The retries at the same upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Maximum number of retries after the first attempt.
    pub attempts: u32,
    /// Maximum backoff before the first retry. It doubles with each one.
    pub base: Duration,
    /// Maximum backoff before any retry.
    pub cap: Duration,
    /// Retries in a thousand requests, above a floor of one a second.
    pub budget_permille: u32,
    /// Maximum wait that the upstream may ask for and get. A longer one is left to the next target, or to the client.
    pub max_wait: Duration,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RetryFile {
    attempts: Option<u32>,
    base_ms: Option<u64>,
    cap_ms: Option<u64>,
    budget_ratio: Option<f64>,
    max_wait_ms: Option<u64>,
}

// === impl RetryFile ===

impl RetryFile {
    pub(super) fn check(&self, check: &mut Check<'_>) -> RetryPolicy {
        let default = RetryPolicy::default();
        let base = check.millis("base_ms", self.base_ms, default.base);
        let cap = check.millis("cap_ms", self.cap_ms, default.cap.max(base));
        if cap < base {
            check.problem("cap_ms", "must be at least `base_ms`");
        }
        RetryPolicy {
            attempts: check.number(
                "attempts",
                self.attempts,
                default.attempts,
                0..=MAX_ATTEMPTS,
            ),
            base,
            cap,
            budget_permille: self.budget_permille(default.budget_permille, check),
            max_wait: check.millis("max_wait_ms", self.max_wait_ms, default.max_wait),
        }
    }

    fn budget_permille(&self, default: u32, check: &mut Check<'_>) -> u32 {
        let Some(ratio) = self.budget_ratio else {
            return default;
        };
        // A ratio of seconds is thousandths in milliseconds: rounding without arithmetic of floats.
        let permille = Duration::try_from_secs_f64(ratio)
            .ok()
            .and_then(|ratio| u32::try_from(ratio.as_millis()).ok())
            .filter(|permille| *permille <= 1000);
        permille.unwrap_or_else(|| {
            check.problem("budget_ratio", "must be between 0 and 1");
            default
        })
    }
}

impl Default for RetryPolicy {
    /// Retries as the official SDKs do, within a budget.
    fn default() -> Self {
        Self {
            attempts: 2,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(8),
            budget_permille: 200,
            max_wait: Duration::from_secs(10),
        }
    }
}
