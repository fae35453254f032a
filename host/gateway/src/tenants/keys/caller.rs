//! The holder of a key.

use std::sync::{Arc, OnceLock};

use witgate_messages::pattern::matches;
use witgate_runtime as contract;

use super::LastUse;
use crate::tenants::concurrency::Share;

/// The holder of a key. There may be hundreds of thousands, so common names are shared.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Public id of the key.
    pub id: Arc<str>,
    /// Tenant.
    pub tenant: Option<Arc<str>>,
    /// Person or service.
    pub user: Option<Arc<str>>,
    /// Tier, for example `free`.
    pub tier: Option<Arc<str>>,
    /// Further labels, by name.
    pub labels: Vec<(String, String)>,
    /// Models that the key may use, as patterns with `*`, or `None` for all.
    pub models: Option<Vec<String>>,
    /// Workspaces that the key is bound to, as patterns with `*`, or `None` if it is bound to none.
    pub workspaces: Option<Vec<String>>,
    /// Environments that the key is bound to, in the same way.
    pub environments: Option<Vec<String>>,
    /// The key's requests in flight.
    pub(crate) share: Share,
    /// Time of the key's last request.
    pub(crate) last_use: LastUse,
    /// The caller in the form of the contract, made at its first request.
    pub(crate) seen: OnceLock<Box<contract::Caller>>,
}

// === impl Caller ===

impl Caller {
    /// Returns the caller as plugins see it.
    pub(crate) fn as_plugins_see_it(&self) -> &contract::Caller {
        self.seen.get_or_init(|| {
            Box::new(contract::Caller {
                key_id: self.id.to_string(),
                tenant: self.tenant.as_deref().map(Into::into),
                user: self.user.as_deref().map(Into::into),
                tier: self.tier.as_deref().map(Into::into),
                labels: self.labels.clone(),
            })
        })
    }

    /// Returns whether the key may use this model or resource.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        match &self.models {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| matches(pattern, model)),
        }
    }
}
