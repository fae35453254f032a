//! The envelope plugin's settings: what is trusted.

use serde::Deserialize;
use std::collections::BTreeMap;
use witgate_plugin::Problems;
use witgate_plugin::types::{Caller, attribute};

/// `[settings]` of `policies/envelope.toml`.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Members of the body that `vmx.providerArgs` may set. Never `model`: that is routing's.
    #[serde(default)]
    pub(crate) provider_args: Vec<String>,
    /// Who may use `vmx.providerArgs`; nobody if absent.
    #[serde(default)]
    pub(crate) provider_args_by: Allowed,
    /// Who may use `vmx.timeoutMs`; nobody if absent.
    #[serde(default)]
    pub(crate) timeout: Allowed,
    /// Who may use `vmx.secondaryModelIndex`; nobody if absent.
    #[serde(default)]
    pub(crate) secondary_index: Allowed,
    /// Metadata key that names the tenant in the place of the key's own. Absent: the key's tenant stands.
    pub(crate) tenant_from: Option<String>,
    /// Metadata key that names the user in the place of the key's own.
    pub(crate) user_from: Option<String>,
    /// Metadata key that names the session in the place of the client's own.
    pub(crate) session_from: Option<String>,
    /// Whether `metadata.user_id` names the user of a key that has none.
    #[serde(default = "yes")]
    pub(crate) user_id: bool,
    /// Who may use `vmx.resourceConfigOverrides`; nobody if absent.
    #[serde(default)]
    pub(crate) resource_overrides: Allowed,
}

/// Callers that may do something: those of a tier in the list, and those with one of the labels; or all of them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Allowed {
    #[serde(default)]
    anyone: bool,
    #[serde(default)]
    tiers: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Members that routing, budgets or the gateway itself read.
const NEVER: [&str; 4] = ["model", "vmx", "stream", "messages"];

const fn yes() -> bool {
    true
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        for (index, name) in self.provider_args.iter().enumerate() {
            if NEVER.contains(&name.as_str()) {
                problems.push(
                    format!("provider_args[{index}]"),
                    format!(
                        "`{name}` can never be set this way: it would bypass routing or budgets"
                    ),
                );
            }
        }
        problems.or(self)
    }
}

// === impl Allowed ===

impl Allowed {
    pub(crate) fn allow(&self, caller: &Caller) -> bool {
        let tier = caller
            .tier
            .as_ref()
            .is_some_and(|tier| self.tiers.contains(tier));
        let label =
            |(name, value): (&String, &String)| attribute(&caller.labels, name) == Some(value);
        self.anyone || tier || self.labels.iter().any(label)
    }
}
