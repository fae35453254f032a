//! The codes of variants that name one of a few things, or another one by its text.

use std::fmt;

use super::{Endpoint, RetryReason, Unit, Window};

/// Defines `of` and `code` of a variant with a case `Other`, and its `Display`.
macro_rules! codes {
    ($variant:ident, $what:literal { $($case:ident => $code:literal),* $(,)? }) => {
        impl $variant {
            #[doc = concat!("Returns the ", $what, " of a code, which is `Other` for an unknown one.")]
            #[must_use]
            pub fn of(code: &str) -> Self {
                match code {
                    $($code => Self::$case,)*
                    other => Self::Other(other.to_owned()),
                }
            }

            #[doc = concat!("Returns the code of the ", $what, ".")]
            #[must_use]
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$case => $code,)*
                    Self::Other(code) => code,
                }
            }
        }

        impl fmt::Display for $variant {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.code())
            }
        }
    };
}

codes!(Endpoint, "operation" {
    Messages => "messages",
    CountTokens => "count-tokens",
    Models => "models",
    Model => "model",
    Batches => "batches",
});

codes!(RetryReason, "reason" {
    Connect => "connect",
    Timeout => "timeout",
    Conflict => "conflict",
    RateLimit => "rate-limit",
    Overloaded => "overloaded",
    ServerError => "server-error",
});

codes!(Window, "period" {
    Minute => "minute",
    Hour => "hour",
    Day => "day",
    Week => "week",
    Month => "month",
    Total => "total",
});

codes!(Unit, "unit" {
    Picousd => "picousd",
    Tokens => "tokens",
    InputTokens => "input-tokens",
    OutputTokens => "output-tokens",
    CachedTokens => "cached-tokens",
    Requests => "requests",
    InFlight => "in-flight",
    Sessions => "sessions",
    ThinkingTokens => "thinking-tokens",
});
