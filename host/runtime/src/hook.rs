//! The hooks: the points in a request's life at which plugins decide.

use std::fmt;

use serde::Serialize;

/// A hook of the contract: a WIT interface that a plugin may export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Hook {
    /// Translates requests of another API, and their answers.
    Translate,
    /// Identifies the caller and the purpose of a request.
    Envelope,
    /// Inspects the texts of a request and of its response.
    Guard,
    /// Chooses the upstreams of a request.
    Route,
    /// Names the accounts that pay for a request.
    Budget,
    /// Edits the receipt of a finished request.
    Audit,
}

// === impl Hook ===

impl Hook {
    /// All hooks, in the order of their first calls for a request.
    pub const ALL: [Self; 6] = [
        Self::Translate,
        Self::Envelope,
        Self::Guard,
        Self::Route,
        Self::Budget,
        Self::Audit,
    ];

    /// Returns the name of the interface, as in the contract and in `[hooks.NAME]` of a sidecar.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Translate => "translate",
            Self::Envelope => "envelope",
            Self::Guard => "guard",
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

/// A value for each hook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerHook<T> {
    translate: T,
    envelope: T,
    guard: T,
    route: T,
    budget: T,
    audit: T,
}

// === impl PerHook ===

impl<T> PerHook<T> {
    /// Creates the value of each hook.
    pub fn from_fn(mut make: impl FnMut(Hook) -> T) -> Self {
        Self {
            translate: make(Hook::Translate),
            envelope: make(Hook::Envelope),
            guard: make(Hook::Guard),
            route: make(Hook::Route),
            budget: make(Hook::Budget),
            audit: make(Hook::Audit),
        }
    }

    /// Returns the value of a hook.
    pub const fn of(&self, hook: Hook) -> &T {
        match hook {
            Hook::Translate => &self.translate,
            Hook::Envelope => &self.envelope,
            Hook::Guard => &self.guard,
            Hook::Route => &self.route,
            Hook::Budget => &self.budget,
            Hook::Audit => &self.audit,
        }
    }
}
