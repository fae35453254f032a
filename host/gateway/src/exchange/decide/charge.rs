//! A charge of a request, and the party that asked for it.

use std::sync::Arc;

use witgate_ledger as ledger;
use witgate_runtime::{Charge, Plugin, PluginCharge};

use crate::budgets::live::in_force::Replaced;

/// A charge with the limit that holds.
#[derive(Debug, Clone)]
pub(crate) struct BudgetCharge {
    pub(crate) charge: Charge,
    /// The limit without an operator's live one. It holds again once that has ended.
    pub(crate) default_limit: u64,
    pub(crate) by: By,
}

/// The party that asked for a charge.
#[derive(Debug, Clone)]
pub(crate) enum By {
    /// A plugin, which is asked if the account can't cover the charge.
    Plugin(Arc<Plugin>),
    /// An operator's live limit on an account that no plugin charges.
    Operator,
}

// === impl BudgetCharge ===

impl BudgetCharge {
    /// Returns the charge as its plugin knows it, but with the limit that holds, or `None` if no plugin asked for it.
    pub(crate) fn of_plugin(&self) -> Option<PluginCharge> {
        match &self.by {
            By::Plugin(plugin) => Some(PluginCharge::new(Arc::clone(plugin), self.charge.clone())),
            By::Operator => None,
        }
    }

    /// Returns the limit that another one has taken the place of, or `None` if none has.
    pub(super) fn replaced(&self) -> Option<Replaced> {
        let asked = &self.charge;
        (asked.limit != self.default_limit).then_some(())?;
        Some(Replaced {
            window: ledger::Window::parse(asked.window.code()).ok()?,
            unit: ledger::Unit::parse(asked.unit.code()).ok()?,
            default: self.default_limit,
            by: asked.limit,
        })
    }
}

impl From<PluginCharge> for BudgetCharge {
    fn from(asked: PluginCharge) -> Self {
        Self {
            default_limit: asked.charge.limit,
            charge: asked.charge,
            by: By::Plugin(asked.plugin),
        }
    }
}

// === impl By ===

impl By {
    /// Returns the name of the plugin, or `None` if no plugin asked.
    pub(crate) fn plugin(&self) -> Option<&Arc<str>> {
        match self {
            Self::Plugin(plugin) => Some(plugin.name()),
            Self::Operator => None,
        }
    }
}
