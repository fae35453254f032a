//! Betas and members that belong together, and what becomes of them on Bedrock.
//!
//! Bedrock refuses a request with a beta that it doesn't know ("invalid beta flag"), and one with a member that it doesn't know
//! ("Extra inputs are not permitted"). So both are checked against lists of what it takes ([`TABLE`], [`TAKEN`]): a name that
//! stands in none counts as refused, unless the operator says that it is taken. A beta and the members that it allows stand in
//! one row, because one without the other is refused, too.

mod table;

use witgate_dialect::pairs::{self, Members, Table};
use witgate_messages::Head;

use crate::ModelId;
pub use table::{TABLE, TAKEN};
pub use witgate_dialect::pairs::{Beta, Fate, Fit, Known, On, OnRefused, Policy, Row, Unfit};

/// The service, as errors name it.
pub const SERVICE: &str = "Amazon Bedrock";

/// The table of Bedrock, with the members that it takes.
pub const OF_BEDROCK: Table = Table {
    service: SERVICE,
    rows: TABLE,
    unlisted: Fate::Refused,
    members: Members::Listed(TAKEN),
};

/// Decides what of a request goes to Bedrock.
///
/// # Errors
/// [`Unfit`] if something is refused and the policy doesn't strip it. The client is at fault, or the one who routed the request.
pub fn fit(head: &Head, betas: &[String], model: &ModelId, policy: &Policy) -> Result<Fit, Unfit> {
    pairs::fit(&OF_BEDROCK, head, betas, model.as_str(), policy)
}

#[cfg(test)]
mod tests;
