//! The combined result of the route and budget hooks.

use std::sync::Arc;

use witgate_runtime::{Plan, PluginCharge};

/// The plan and the charges that the plugins decided on.
pub(crate) struct Orders {
    pub(crate) plan: Arc<Plan>,
    pub(crate) charges: Vec<PluginCharge>,
    /// The model for each kind of request in a new batch, or `None` where the request keeps its own.
    pub(crate) models: Vec<Option<Box<str>>>,
}
