//! The budget plugin's settings: tiers, and the limits of each.

mod limit;

pub(crate) use limit::{Account, Exhausted, Limit};

use witgate_plugin::{Problems, Table};

use self::limit::LimitFile;
use crate::BudgetPlugin;

witgate_plugin::settings! {
    /// `[settings]` of `policies/budget.toml`.
    #[derive(Debug, Default)]
    pub struct Settings {
        /// Tier of keys without one, and of keys whose tier is not listed here. If absent, these keys have no limits.
        default_tier: Option<String>,
        /// Operations that are neither charged nor counted.
        free: Vec<String> = free(),
        /// Treatment of models without a price, if the tier has a spending limit.
        unpriced: Unpriced = Unpriced::default(),
        /// The limits of each tier.
        tiers: Table<TierFile>,
    }
}

witgate_plugin::words! {
    /// Treatment of models without a price.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Unpriced {
        /// Counts the request as free of cost. The host counts unpriced requests.
        Pass = "pass",
        /// Refuses the request.
        #[default]
        Refuse = "refuse",
    }
}

witgate_plugin::settings! {
    #[derive(Debug, Default)]
    struct TierFile {
        limits: Vec<LimitFile>,
    }
}

fn free() -> Vec<String> {
    vec!["count-tokens".to_owned(), "models".to_owned()]
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<BudgetPlugin, Problems> {
        let mut problems = Problems::default();
        let default = self.default_tier.as_deref();
        if let Some(tier) = default.filter(|tier| self.tiers.get(tier).is_none()) {
            problems.push(
                "default_tier",
                format!("there is no tier `{tier}` under `tiers`"),
            );
        }
        let mut tiers: Vec<(String, Vec<Limit>)> = Vec::new();
        for (name, tier) in self.tiers {
            let mut limits: Vec<Limit> = Vec::new();
            for (index, file) in tier.limits.into_iter().enumerate() {
                let path = format!("tiers.{name}.limits[{index}]");
                let Some(limit) = file.check(&path, &mut problems) else {
                    continue;
                };
                if limits.iter().any(|other| limit.counts_like(other)) {
                    problems.push(
                        &path,
                        "this tier already has a limit on the same account, window and unit",
                    );
                } else if tiers
                    .iter()
                    .flat_map(|(_, limits)| limits)
                    .any(|other| limit.contradicts(other))
                {
                    problems.push(
                        &path,
                        "another tier has the same limit with another `on_exhausted`; the host can't tell their charges \
                         apart, so make the limits differ",
                    );
                }
                limits.push(limit);
            }
            tiers.push((name, limits));
        }
        problems.or(BudgetPlugin {
            tiers: tiers.into_iter().collect(),
            default_tier: self.default_tier,
            free: self.free,
            unpriced: self.unpriced,
        })
    }
}
