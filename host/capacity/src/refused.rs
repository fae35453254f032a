//! Refusals: who was given way to, and when to come again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Limit;

/// A refusal to send a request to an upstream now. Another upstream may take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The name of the resource that was refused, or `*` for one without terms of its own.
    pub resource: Arc<str>,
    /// The limit that has no room. If several have none, the one with the longest wait.
    pub limit: Limit,
    /// The cause.
    pub cause: Cause,
    /// The time after which the request would be admitted if no other were until then, or `None` if it never will be. A window's
    /// length if it depends on what others will need.
    pub retry_after: Option<Duration>,
}

/// The cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The request is larger than the part that its resource may use at the most.
    TooLarge {
        /// The amount that was asked for.
        asked: u64,
        /// The largest amount that the resource may use within the window.
        most: u64,
    },
    /// The resource has used its own ceiling.
    Ceiling {
        /// The ceiling within the window.
        most: u64,
    },
    /// The capacity is used, or kept free for others.
    Shortage {
        /// The resource that was given way to: of those that come before, the one with the largest amount. `None` if there is
        /// none, and all was used.
        gave_way_to: Option<Arc<str>>,
    },
}

// === impl Refused ===

impl Refused {
    /// Returns the name of the resource that was given way to, if there is one.
    #[must_use]
    pub fn gave_way_to(&self) -> Option<&str> {
        match &self.cause {
            Cause::Shortage { gave_way_to } => gave_way_to.as_deref(),
            Cause::TooLarge { .. } | Cause::Ceiling { .. } => None,
        }
    }

    /// Returns the reason without the names of other resources, for those who may not know of them.
    #[must_use]
    pub const fn without_others(&self) -> impl fmt::Display + '_ {
        WithoutOthers(self)
    }
}

impl fmt::Display for Refused {
    /// Writes the reason as the end of a sentence about the upstream.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limit {
            unit,
            window,
            amount,
        } = self.limit;
        let resource = Name(&self.resource);
        match &self.cause {
            Cause::TooLarge { asked, most } => write!(
                f,
                "the request needs {asked} {unit}, and {resource} may use {most} per {window}"
            ),
            Cause::Ceiling { most } => write!(
                f,
                "{resource} has used its part of the {unit} per {window}, which is {most}"
            ),
            Cause::Shortage {
                gave_way_to: Some(other),
            } => write!(
                f,
                "of its {amount} {unit} per {window} the rest is kept for {}, which {resource} gives way to",
                Name(other)
            ),
            Cause::Shortage { gave_way_to: None } => {
                write!(f, "its {amount} {unit} per {window} are used")
            }
        }
    }
}

impl std::error::Error for Refused {}

/// A reason that names no other resource.
struct WithoutOthers<'a>(&'a Refused);

impl fmt::Display for WithoutOthers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(refused) = self;
        if refused.gave_way_to().is_none() {
            return refused.fmt(f);
        }
        let Limit {
            unit,
            window,
            amount,
        } = refused.limit;
        write!(
            f,
            "of its {amount} {unit} per {window} the rest is kept for others, which {} gives way to",
            Name(&refused.resource)
        )
    }
}

/// A resource in a sentence.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            crate::config::OTHERS => f.write_str("every other resource"),
            name => write!(f, "the resource `{name}`"),
        }
    }
}
