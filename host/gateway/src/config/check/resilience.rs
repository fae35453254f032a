//! Checks of what an upstream's troubles are met with.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Check;
use crate::config::file::resilience::{BreakerFile, HealthFile, RetryFile, Switch};
use crate::config::{BreakerPolicy, HealthPolicy, Kind, Resilience, RetryPolicy};

/// Most further tries: beyond it a client's own timeout is over anyway.
const MOST_ATTEMPTS: u32 = 10;

/// What `[upstreams.NAME]` says about troubles.
pub(super) struct Troubles {
    pub(super) retry: Option<RetryFile>,
    pub(super) breaker: Option<Switch<BreakerFile>>,
    pub(super) max_in_flight: Option<u32>,
    pub(super) health: Option<HealthFile>,
}

// === impl Check ===

impl Check<'_> {
    /// Checks them; `name` is the upstream's.
    pub(super) fn resilience(&mut self, name: &str, file: Troubles) -> Resilience {
        let at = |key: &str| format!("upstreams.{name}.{key}");
        Resilience {
            retry: self.retry(&at("retry"), &file.retry.unwrap_or_default()),
            breaker: match file.breaker {
                Some(Switch::Off) => None,
                Some(Switch::On(file)) => Some(self.breaker(&at("breaker"), &file)),
                None => Some(BreakerPolicy::default()),
            },
            max_in_flight: file
                .max_in_flight
                .map(|most| self.at_least_one(&at("max_in_flight"), Some(most), NonZeroU32::MIN)),
            health: file.health.map(|file| self.health(&at("health"), file)),
        }
    }

    /// The kind of server that an upstream is.
    pub(super) fn kind(&mut self, name: &str, kind: Option<&str>) -> Kind {
        match kind {
            None | Some("anthropic") => Kind::Anthropic,
            Some("messages") => Kind::Messages,
            Some(_) => {
                self.problem(
                    &format!("upstreams.{name}.kind"),
                    "anthropic, or messages for any other server that speaks Messages",
                );
                Kind::Anthropic
            }
        }
    }

    fn retry(&mut self, at: &str, file: &RetryFile) -> RetryPolicy {
        let default = RetryPolicy::default();
        let attempts = file.attempts.unwrap_or(default.attempts);
        if attempts > MOST_ATTEMPTS {
            self.problem(&format!("{at}.attempts"), "between 0 and 10");
        }
        let base = self.millis(&format!("{at}.base_ms"), file.base_ms, default.base);
        let cap = self.millis(&format!("{at}.cap_ms"), file.cap_ms, default.cap.max(base));
        if cap < base {
            self.problem(&format!("{at}.cap_ms"), "at least base_ms");
        }
        RetryPolicy {
            attempts,
            base,
            cap,
            budget_permille: self.permille(
                &format!("{at}.budget_ratio"),
                file.budget_ratio,
                default.budget_permille,
            ),
            max_wait: self.millis(
                &format!("{at}.max_wait_ms"),
                file.max_wait_ms,
                default.max_wait,
            ),
        }
    }

    fn breaker(&mut self, at: &str, file: &BreakerFile) -> BreakerPolicy {
        let default = BreakerPolicy::default();
        let error_percent = file.error_percent.unwrap_or(default.error_percent);
        if !(1..=100).contains(&error_percent) {
            self.problem(&format!("{at}.error_percent"), "between 1 and 100");
        }
        let panic_percent = file
            .panic_percent
            .unwrap_or(default.panic_percent.max(error_percent.min(100)));
        if panic_percent > 100 || panic_percent < error_percent.min(100) {
            self.problem(
                &format!("{at}.panic_percent"),
                "between error_percent and 100",
            );
        }
        let open = self.millis(&format!("{at}.open_ms"), file.open_ms, default.open);
        let max_open = self.millis(
            &format!("{at}.max_open_ms"),
            file.max_open_ms,
            default.max_open.max(open),
        );
        if max_open < open {
            self.problem(&format!("{at}.max_open_ms"), "at least open_ms");
        }
        BreakerPolicy {
            error_percent,
            panic_percent,
            min_requests: self.at_least_one(
                &format!("{at}.min_requests"),
                file.min_requests,
                default.min_requests,
            ),
            window: self.millis(&format!("{at}.window_ms"), file.window_ms, default.window),
            open,
            max_open,
        }
    }

    fn health(&mut self, at: &str, file: HealthFile) -> HealthPolicy {
        let default = HealthPolicy::default();
        let path = file.path.unwrap_or(default.path);
        let visible = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !path.starts_with('/') || !visible {
            self.problem(&format!("{at}.path"), "a path, for example /v1/models");
        }
        HealthPolicy {
            path,
            interval: self.millis(
                &format!("{at}.interval_ms"),
                file.interval_ms,
                default.interval,
            ),
            timeout: self.millis(
                &format!("{at}.timeout_ms"),
                file.timeout_ms,
                default.timeout,
            ),
            unhealthy_after: self.at_least_one(
                &format!("{at}.unhealthy_after"),
                file.unhealthy_after,
                default.unhealthy_after,
            ),
            healthy_after: self.at_least_one(
                &format!("{at}.healthy_after"),
                file.healthy_after,
                default.healthy_after,
            ),
        }
    }

    /// A count that cannot be zero.
    pub(super) fn at_least_one(
        &mut self,
        at: &str,
        value: Option<u32>,
        default: NonZeroU32,
    ) -> NonZeroU32 {
        match value.map(NonZeroU32::new) {
            None => default,
            Some(Some(value)) => value,
            Some(None) => {
                self.problem(at, "at least 1");
                default
            }
        }
    }

    /// A ratio between 0 and 1, in thousandths.
    fn permille(&mut self, at: &str, value: Option<f64>, default: u32) -> u32 {
        let Some(ratio) = value else {
            return default;
        };
        // A ratio of seconds is thousandths in milliseconds: rounding without arithmetic of floats.
        let permille = Duration::try_from_secs_f64(ratio)
            .ok()
            .and_then(|ratio| u32::try_from(ratio.as_millis()).ok())
            .filter(|permille| *permille <= 1000);
        permille.unwrap_or_else(|| {
            self.problem(at, "between 0 and 1");
            default
        })
    }
}
