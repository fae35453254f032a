//! The envelope plugin's settings.

use witgate_plugin::{Caller, Problems, Table};

witgate_plugin::settings! {
    /// `[settings]` of `policies/envelope.toml`.
    #[derive(Debug, Default)]
    pub struct Settings {
        /// Members of the body that `vmx.providerArgs` may set. `model` can't be listed, because routing owns it.
        pub(crate) provider_args: Vec<String>,
        /// Callers that may use `vmx.providerArgs`. If absent, no caller may.
        pub(crate) provider_args_by: Allowed = Allowed::default(),
        /// Callers that may use `vmx.timeoutMs`. If absent, no caller may.
        pub(crate) timeout: Allowed = Allowed::default(),
        /// Callers that may use `vmx.secondaryModelIndex`. If absent, no caller may.
        pub(crate) secondary_index: Allowed = Allowed::default(),
        /// Metadata key whose value overrides the key's tenant.
        pub(crate) tenant_from: Option<String>,
        /// Metadata key whose value overrides the key's user.
        pub(crate) user_from: Option<String>,
        /// Metadata key whose value overrides the client's session.
        pub(crate) session_from: Option<String>,
        /// Use of `metadata.user_id` as the user, if the key has none.
        pub(crate) user_id: bool = true,
        /// Callers that may use `vmx.resourceConfigOverrides`. If absent, no caller may.
        pub(crate) resource_overrides: Allowed = Allowed::default(),
    }
}

witgate_plugin::settings! {
    /// A set of callers: those of the listed tiers, those with any of the labels, or all of them.
    #[derive(Debug, Default)]
    pub(crate) struct Allowed {
        anyone: bool = false,
        tiers: Vec<String>,
        labels: Table<String>,
    }
}

/// Members that routing, budgets or the gateway itself depend on.
const NEVER: [&str; 4] = ["model", "vmx", "stream", "messages"];

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
