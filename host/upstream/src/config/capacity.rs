//! `capacity`: the requests and tokens that an upstream takes.

use serde::Deserialize;
use witgate_capacity::{Limit, MAX_AMOUNT, Percent, Unit, Window};
use witgate_config_file::Check;

/// The capacity of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityConfig {
    /// The limits, one for each unit and window.
    pub limits: Vec<Limit>,
    /// The part that is kept free above what important resources used lately.
    pub headroom: Option<Percent>,
    /// What a client that is refused is told of others.
    pub others: Others,
}

/// What a client that gives way is told of the resource that it gives way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// The name.
    Named,
    /// That there is one: tenants may not know of each other.
    Unnamed,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CapacityFile {
    requests_per_minute: Option<u64>,
    requests_per_hour: Option<u64>,
    requests_per_day: Option<u64>,
    tokens_per_minute: Option<u64>,
    tokens_per_hour: Option<u64>,
    tokens_per_day: Option<u64>,
    input_tokens_per_minute: Option<u64>,
    input_tokens_per_hour: Option<u64>,
    input_tokens_per_day: Option<u64>,
    output_tokens_per_minute: Option<u64>,
    output_tokens_per_hour: Option<u64>,
    output_tokens_per_day: Option<u64>,
    headroom_percent: Option<u8>,
    #[serde(default)]
    name_resources: bool,
}

// === impl CapacityFile ===

impl CapacityFile {
    pub(super) fn check(&self, check: &mut Check<'_>) -> CapacityConfig {
        let amounts = [
            (
                Unit::Requests,
                [
                    ("requests_per_minute", self.requests_per_minute),
                    ("requests_per_hour", self.requests_per_hour),
                    ("requests_per_day", self.requests_per_day),
                ],
            ),
            (
                Unit::Tokens,
                [
                    ("tokens_per_minute", self.tokens_per_minute),
                    ("tokens_per_hour", self.tokens_per_hour),
                    ("tokens_per_day", self.tokens_per_day),
                ],
            ),
            (
                Unit::InputTokens,
                [
                    ("input_tokens_per_minute", self.input_tokens_per_minute),
                    ("input_tokens_per_hour", self.input_tokens_per_hour),
                    ("input_tokens_per_day", self.input_tokens_per_day),
                ],
            ),
            (
                Unit::OutputTokens,
                [
                    ("output_tokens_per_minute", self.output_tokens_per_minute),
                    ("output_tokens_per_hour", self.output_tokens_per_hour),
                    ("output_tokens_per_day", self.output_tokens_per_day),
                ],
            ),
        ];
        let windows = [Window::Minute, Window::Hour, Window::Day];
        let mut limits = Vec::new();
        for (unit, amounts) in amounts {
            for (window, (key, amount)) in windows.into_iter().zip(amounts) {
                if amount.is_some() {
                    let amount = check.number(key, amount, 1, 1..=MAX_AMOUNT);
                    limits.push(Limit {
                        unit,
                        window,
                        amount,
                    });
                }
            }
        }
        if limits.is_empty() && !check.has_problem("") {
            check.problem(
                "",
                "has no limit: set at least one, such as `tokens_per_minute`",
            );
        }
        let headroom = check.number("headroom_percent", self.headroom_percent, 50, 0..=100);
        CapacityConfig {
            limits,
            headroom: Percent::try_new(headroom),
            others: self.name_resources.into(),
        }
    }
}

// === impl Others ===

impl From<bool> for Others {
    fn from(named: bool) -> Self {
        if named { Self::Named } else { Self::Unnamed }
    }
}
