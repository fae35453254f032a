//! The state of a capacity, for pages and metrics.

use std::sync::Arc;

use crate::config::Limit;

/// The state of a capacity at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The limits, in the order of the configuration.
    pub limits: Vec<LimitStatus>,
    /// The decisions about each resource since the start, in the order of the configuration. The others come first, as `*`.
    pub tallies: Vec<(Arc<str>, Tally)>,
}

/// The state of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitStatus {
    /// The limit.
    pub limit: Limit,
    /// The use of all resources within the window.
    pub used: u64,
    /// The part of each resource, in the order of the configuration. The others come first, as `*`.
    pub shares: Vec<ShareStatus>,
}

/// The part of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareStatus {
    /// The name of the resource, or `*` for the others.
    pub resource: Arc<str>,
    /// Use within the window: what requests used that ended, and estimates of those that did not.
    pub used: u64,
    /// The amount that it is estimated to need within a window, which is kept free from those of lower priority.
    pub need: u64,
}

/// The decisions about the requests of a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that were admitted.
    pub admitted: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests of others that were refused in its favour.
    pub given_way: u64,
}
