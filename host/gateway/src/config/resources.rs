//! `[resources.NAME]`: the terms on which resources share the capacity of upstreams.

use std::collections::BTreeMap;

use serde::Deserialize;
use witgate_capacity::{Percent, Share, Terms};
use witgate_config_file::Check;
use witgate_upstream::config::UpstreamConfig;

/// The name of the table for all resources without one of their own.
pub(crate) const OTHERS: &str = "*";

/// The terms of all resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// The resources with terms of their own, sorted by name.
    pub shares: Vec<Share>,
    /// The terms of all others together.
    pub others: Terms,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResourceTermsFile {
    #[serde(default)]
    priority: u8,
    floor_percent: Option<u8>,
    ceiling_percent: Option<u8>,
}

// === impl Resources ===

impl Resources {
    pub(super) fn check(
        files: BTreeMap<String, ResourceTermsFile>,
        upstreams: &[UpstreamConfig],
        check: &mut Check<'_>,
    ) -> Self {
        let shares_any = |upstream: &UpstreamConfig| upstream.capacity.is_some();
        if !files.is_empty() && !upstreams.is_empty() && !upstreams.iter().any(shares_any) {
            check.problem(
                "",
                "has nothing to share: no upstream has a `capacity`, as in [upstreams.NAME.capacity]",
            );
        }
        let mut all = Self::default();
        for (name, file) in files {
            let terms = file.check(&mut check.table(&name));
            if name == OTHERS {
                all.others = terms;
            } else {
                all.shares.push(Share {
                    resource: name.into(),
                    terms,
                });
            }
        }
        // Mistakes that no table has by itself.
        for problem in all.sharing(Vec::new(), None).problems() {
            check.problem("", problem.to_string());
        }
        all
    }

    /// Returns the configuration of a capacity with these limits that all resources share.
    pub(crate) fn sharing(
        &self,
        limits: Vec<witgate_capacity::Limit>,
        headroom: Option<Percent>,
    ) -> witgate_capacity::Config {
        witgate_capacity::Config {
            limits,
            shares: self.shares.clone(),
            others: self.others,
            headroom,
        }
    }

    /// Returns the names of the resources that come before those without terms of their own.
    #[must_use]
    pub fn preferred(&self) -> Vec<&str> {
        let first = |share: &&Share| share.terms.priority > self.others.priority;
        let shares = self.shares.iter().filter(first);
        shares.map(|share| &*share.resource).collect()
    }
}

// === impl ResourceTermsFile ===

impl ResourceTermsFile {
    fn check(&self, check: &mut Check<'_>) -> Terms {
        let mut percent = |key, value: Option<u8>, default| {
            let value = value.map(|value| check.number(key, Some(value), default, 0..=100));
            value.and_then(Percent::try_new)
        };
        let floor = percent("floor_percent", self.floor_percent, 0);
        let ceiling = percent("ceiling_percent", self.ceiling_percent, 100);
        let exceeds = floor > ceiling && ceiling.is_some();
        let is_sound = !check.has_problem("floor_percent") && !check.has_problem("ceiling_percent");
        if exceeds && is_sound {
            check.problem(
                "floor_percent",
                "must not be above `ceiling_percent`, which the resource never exceeds",
            );
        }
        Terms {
            priority: self.priority,
            // A stand-in, so that the mistake is told once.
            floor: if exceeds { ceiling } else { floor },
            ceiling,
        }
    }
}
