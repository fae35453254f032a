//! What is done when an upstream is slow, busy or down, as configured.

use std::num::NonZeroU32;
use std::time::Duration;

/// How one upstream's troubles are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resilience {
    /// When it is asked again.
    pub retry: RetryPolicy,
    /// When it is left alone for a while; none never does.
    pub breaker: Option<BreakerPolicy>,
    /// Most requests at it at a time; none has no limit.
    pub max_in_flight: Option<NonZeroU32>,
    /// How it is looked after without traffic; none does not.
    pub health: Option<HealthPolicy>,
}

/// Tries at the same upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Further tries after the first one.
    pub attempts: u32,
    /// The longest wait before the first further try; it doubles with each one.
    pub base: Duration,
    /// The longest of these waits.
    pub cap: Duration,
    /// Further tries in a thousand requests, above a floor of one a second.
    pub budget_permille: u32,
    /// The longest wait asked for by the upstream that is waited here; a longer one is the next target's turn, or the
    /// client's to wait.
    pub max_wait: Duration,
}

/// The circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a hundred requests of the window from which it takes only requests that have no other place to go.
    pub error_percent: u32,
    /// Failures in a hundred requests of the window from which it takes none but trials.
    pub panic_percent: u32,
    /// Requests of the window below which the share of failures says nothing.
    pub min_requests: NonZeroU32,
    /// The time that requests are counted over.
    pub window: Duration,
    /// How long it stays open at first; it doubles when the trial fails.
    pub open: Duration,
    /// The longest of these times.
    pub max_open: Duration,
}

/// Active health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPolicy {
    /// The path that is asked for.
    pub path: String,
    /// Time between two checks.
    pub interval: Duration,
    /// Longest time for the head of the answer.
    pub timeout: Duration,
    /// Failed checks in a row that take the upstream out.
    pub unhealthy_after: NonZeroU32,
    /// Good checks in a row that take it in again.
    pub healthy_after: NonZeroU32,
}

// === impl Resilience ===

impl Default for Resilience {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            breaker: Some(BreakerPolicy::default()),
            max_in_flight: None,
            health: None,
        }
    }
}

impl Default for RetryPolicy {
    /// As the official SDKs do, with a budget.
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

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            error_percent: 50,
            panic_percent: 95,
            min_requests: NonZeroU32::MIN.saturating_add(19),
            window: Duration::from_secs(10),
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(60),
        }
    }
}

impl Default for HealthPolicy {
    fn default() -> Self {
        Self {
            path: "/v1/models".into(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            unhealthy_after: NonZeroU32::MIN.saturating_add(2),
            healthy_after: NonZeroU32::MIN.saturating_add(1),
        }
    }
}
