//! Groups: upstreams that stand in for each other, as configured.

use std::num::NonZeroU32;

/// Upstreams behind one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// The name, which plans and `default_upstream` may use like an upstream's.
    pub name: String,
    /// Who stands behind it; at least one.
    pub members: Vec<Member>,
    /// How one of them is chosen.
    pub choice: Choice,
    /// Whether a request with thinking may go to a member of another provider than the first one's.
    pub provider_change: ProviderChange,
}

/// An upstream in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The upstream's name.
    pub upstream: String,
    /// Its share of the requests.
    pub weight: NonZeroU32,
}

/// How a member is chosen. Whatever it is, members that take no requests now come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The better one of two that are drawn by weight: fewer requests in flight times a shorter time to answer.
    PowerOfTwo,
    /// The one with the fewest requests in flight for its weight.
    Least,
    /// Drawn by weight.
    Weighted,
    /// In the order of the configuration.
    Order,
}

/// Whether a request that carries signed thinking may go to another provider, which could not read the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderChange {
    /// It may.
    Allowed,
    /// It stays with the provider.
    Refused,
}

// === impl ProviderChange ===

impl From<bool> for ProviderChange {
    fn from(allowed: bool) -> Self {
        if allowed {
            Self::Allowed
        } else {
            Self::Refused
        }
    }
}
