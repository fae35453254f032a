//! The envelope plugin's settings.

use serde::Deserialize;
use witgate_plugin::{Caller, Problems, Table};

/// `[settings]` of `policies/envelope.toml`.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Members of the body that `vmx.providerArgs` may set. `model` can't be listed, because routing owns it.
    #[serde(default)]
    pub(crate) provider_args: Vec<String>,
    /// Callers that may use `vmx.providerArgs`. If absent, no caller may.
    #[serde(default)]
    pub(crate) provider_args_by: Allowed,
    /// Callers that may use `vmx.timeoutMs`. If absent, no caller may.
    #[serde(default)]
    pub(crate) timeout: Allowed,
    /// Callers that may use `vmx.secondaryModelIndex`. If absent, no caller may.
    #[serde(default)]
    pub(crate) secondary_index: Allowed,
    /// Metadata key whose value overrides the key's tenant.
    pub(crate) tenant_from: Option<String>,
    /// Metadata key whose value overrides the key's user.
    pub(crate) user_from: Option<String>,
    /// Metadata key whose value overrides the client's session.
    pub(crate) session_from: Option<String>,
    /// Use of `metadata.user_id` as the user, if the key has none.
    #[serde(default = "yes")]
    pub(crate) user_id: bool,
    /// Callers that may use `vmx.resourceConfigOverrides`. If absent, no caller may.
    #[serde(default)]
    pub(crate) resource_overrides: Allowed,
}

/// A set of callers: those of the listed tiers, those with any of the labels, or all of them.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Allowed {
    #[serde(default)]
    anyone: bool,
    #[serde(default)]
    tiers: Vec<String>,
    #[serde(default)]
    labels: Table<String>,
}

/// Members that routing, budgets or the gateway itself depend on.
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
                        "`{name}` can't be set by callers, because that would bypass routing or budgets"
                    ),
                );
            }
        }
        problems.or(self)
    }
}

// === impl Allowed ===

impl Allowed {
    pub(crate) fn allow(&self, caller: Caller<'_>) -> bool {
        let listed = |tier: &str| self.tiers.iter().any(|known| known == tier);
        let label = |(name, value): (&str, &String)| caller.label(name) == Some(value);
        self.anyone
            || (!self.tiers.is_empty() && caller.tier().is_some_and(listed))
            || self.labels.iter().any(label)
    }
}
