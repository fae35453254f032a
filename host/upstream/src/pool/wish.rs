//! What a request needs of a pool.

use crate::affinity::Affinity;

/// The needs of a request. By default it is sent with the first credential, which everything that the upstream keeps
/// belongs to.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Credentials that may be used.
    pub among: Among,
    /// Model, by which the upstream counts; empty for a request without one.
    pub model: Box<str>,
    /// Origin, if the request belongs to a session.
    pub affinity: Option<Affinity>,
}

/// The credentials that a request may be sent with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Among {
    /// The first one: the request is about files, batches, containers or skills, which only their owner's credential finds.
    #[default]
    First,
    /// Any.
    All,
}
