//! The budget plugin's settings: tiers, and the limits of each.

mod limit;

pub(crate) use limit::{Account, Exhausted, Limit};

use crate::Purse;
use limit::LimitFile;
use serde::Deserialize;
use std::collections::BTreeMap;
use witgate_plugin::Problems;

/// `[settings]` of `policies/budget.toml`.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Tier of the keys that have none, or one that is not named here. Absent: those have no limits.
    default_tier: Option<String>,
    /// Operations that cost nothing and are not counted.
    #[serde(default = "free")]
    free: Vec<String>,
    /// What happens under a spending limit with a model that has no price.
    #[serde(default)]
    unpriced: Unpriced,
    /// The limits of each tier.
    #[serde(default)]
    tiers: BTreeMap<String, TierFile>,
}

/// What happens with a model that has no price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unpriced {
    /// It passes, and its cost counts as nothing; the host's counter of unpriced requests shows it.
    #[default]
    Pass,
    /// It is refused.
    Refuse,
}

#[derive(Debug, Deserialize)]
struct TierFile {
    #[serde(default)]
    limits: Vec<LimitFile>,
}

fn free() -> Vec<String> {
    vec!["count-tokens".to_owned(), "models".to_owned()]
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<Purse, Problems> {
        let mut problems = Problems::default();
        if let Some(tier) = self
            .default_tier
            .as_ref()
            .filter(|tier| !self.tiers.contains_key(*tier))
        {
            problems.push(
                "default_tier",
                format!("there is no tier `{tier}` under `tiers`"),
            );
        }
        let mut tiers: BTreeMap<String, Vec<Limit>> = BTreeMap::new();
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
                        "this tier has a limit on the same account, window and unit already",
                    );
                } else if tiers
                    .values()
                    .flatten()
                    .any(|other| limit.contradicts(other))
                {
                    problems.push(
                        &path,
                        "another tier has the same limit with another `exhausted`; make the limits differ, for they \
                         could not be told apart",
                    );
                }
                limits.push(limit);
            }
            tiers.insert(name, limits);
        }
        problems.or(Purse {
            tiers,
            default_tier: self.default_tier,
            free: self.free,
            unpriced: self.unpriced,
        })
    }
}
