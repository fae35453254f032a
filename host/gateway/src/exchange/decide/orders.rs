//! The combined result of the route and budget hooks.

use std::sync::Arc;

use witgate_messages::splice::Edit;
use witgate_runtime::{Plan, PluginCharge};

/// The plan and the charges that the plugins decided on.
pub(crate) struct Orders {
    pub(crate) plan: Arc<Plan>,
    pub(crate) charges: Vec<PluginCharge>,
    /// The expected cost in pico-USD, or `None` if a model has no price.
    pub(crate) cost: Option<u64>,
    /// The changes of the plans for each kind of request in a new batch.
    pub(crate) changes: Vec<Box<[Edit]>>,
}
