//! `health`: active health checks of an upstream.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

/// Active health checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthPolicy {
    /// Path of the request.
    pub path: String,
    /// Time between two checks.
    pub interval: Duration,
    /// Maximum time to the head of the response.
    pub timeout: Duration,
    /// Number of failed checks in a row that make the upstream unhealthy.
    pub unhealthy_after: NonZeroU32,
    /// Number of successful checks in a row that make it healthy again.
    pub healthy_after: NonZeroU32,
}

#[derive(Debug, Deserialize)]
pub(super) struct HealthFile {
    path: Option<String>,
    interval_ms: Option<u64>,
    timeout_ms: Option<u64>,
    unhealthy_after: Option<NonZeroU32>,
    healthy_after: Option<NonZeroU32>,
}

// === impl HealthFile ===

impl HealthFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> HealthPolicy {
        let default = HealthPolicy::default();
        let path = self.path.unwrap_or(default.path);
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            check.problem("path", "must be a path, such as /v1/models");
        }
        HealthPolicy {
            path,
            interval: check.millis("interval_ms", self.interval_ms, default.interval),
            timeout: check.millis("timeout_ms", self.timeout_ms, default.timeout),
            unhealthy_after: self.unhealthy_after.unwrap_or(default.unhealthy_after),
            healthy_after: self.healthy_after.unwrap_or(default.healthy_after),
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
