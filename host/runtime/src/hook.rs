//! The four places in a request's life where plugins are asked.

use serde::Serialize;
use std::fmt;

/// A hook of the contract. Each is one WIT interface that a plugin may export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// Who is asking and why.
    Envelope,
    /// Where the request goes.
    Route,
    /// Whose account it is on.
    Budget,
    /// What is kept of a finished exchange.
    Audit,
}

// === impl Hook ===

impl Hook {
    /// All hooks, in the order of a request.
    pub const ALL: [Self; 4] = [Self::Envelope, Self::Route, Self::Budget, Self::Audit];

    /// The name of the interface, as in the contract and in `[hooks.NAME]` of a sidecar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Route => "route",
            Self::Budget => "budget",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerHook<T> {
    envelope: T,
    route: T,
    budget: T,
    audit: T,
}

// === impl PerHook ===

impl<T> PerHook<T> {
    /// Makes the value of each hook.
    pub fn from_fn(mut make: impl FnMut(Hook) -> T) -> Self {
        Self {
            envelope: make(Hook::Envelope),
            route: make(Hook::Route),
            budget: make(Hook::Budget),
            audit: make(Hook::Audit),
        }
    }

    /// The value of a hook.
    pub const fn of(&self, hook: Hook) -> &T {
        match hook {
            Hook::Envelope => &self.envelope,
            Hook::Route => &self.route,
            Hook::Budget => &self.budget,
            Hook::Audit => &self.audit,
        }
    }
}
