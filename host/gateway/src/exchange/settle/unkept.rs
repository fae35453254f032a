//! The reasons for which a part of a response may not go on to the client.

use crate::answer::refused::Refused;
use crate::tenants::owners::ClaimError;

/// The reason for which a part of a response may not go on to the client.
#[derive(Debug)]
pub(in crate::exchange) enum Unkept {
    /// The owner of what it created can't be recorded.
    Claim(ClaimError),
    /// A limit that cuts streams is reached.
    Spent(Box<Refused>),
}

// === impl Unkept ===

impl From<ClaimError> for Unkept {
    fn from(error: ClaimError) -> Self {
        Self::Claim(error)
    }
}
