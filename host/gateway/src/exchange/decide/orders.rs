//! The combined result of the route and budget hooks.

use std::sync::Arc;

use witgate_messages::splice::Edit;
use witgate_runtime::Plan;

use super::charge::BudgetCharge;
use super::heads::Heads;

/// The plan and the charges that the plugins decided on.
pub(crate) struct Orders {
    pub(crate) plan: Arc<Plan>,
    /// The request as each target gets it.
    pub(crate) heads: Heads,
    pub(crate) charges: Vec<BudgetCharge>,
    /// The expected cost in pico-USD, or `None` if a model has no price.
    pub(crate) cost: Option<u64>,
    /// The changes of the plans for each kind of request in a new batch.
    pub(crate) changes: Vec<Box<[Edit]>>,
}
