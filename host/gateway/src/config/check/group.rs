//! Checks of groups.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use super::Check;
use crate::config::file::group::GroupFile;
use crate::config::{Choice, GroupConfig, Member};

// === impl Check ===

impl Check<'_> {
    /// Checks the groups against the upstreams that they are made of.
    pub(super) fn groups(
        &mut self,
        files: BTreeMap<String, GroupFile>,
        upstreams: &[String],
    ) -> Vec<GroupConfig> {
        files
            .into_iter()
            .map(|(name, file)| self.group(name, file, upstreams))
            .collect()
    }

    fn group(&mut self, name: String, file: GroupFile, upstreams: &[String]) -> GroupConfig {
        let at = format!("groups.{name}");
        let known = |name: &str| upstreams.iter().any(|upstream| upstream == name);
        if known(&name) {
            self.problem(&at, "an upstream has this name already");
        }
        if file.members.is_empty() {
            self.problem(&format!("{at}.members"), "name at least one upstream");
        }
        let choice = match file.choice.as_deref() {
            None | Some("p2c") => Choice::PowerOfTwo,
            Some("least") => Choice::Least,
            Some("weighted") => Choice::Weighted,
            Some("order") => Choice::Order,
            Some(_) => {
                self.problem(&format!("{at}.choice"), "p2c, least, weighted or order");
                Choice::PowerOfTwo
            }
        };
        let mut seen = HashSet::new();
        let mut members = Vec::with_capacity(file.members.len());
        for (index, member) in file.members.into_iter().enumerate() {
            let at = format!("{at}.members[{index}]");
            if !known(&member.upstream) {
                let message = format!("there is no [upstreams.{}]", member.upstream);
                self.problem(&format!("{at}.upstream"), &message);
            }
            if !seen.insert(member.upstream.clone()) {
                self.problem(
                    &format!("{at}.upstream"),
                    "it is a member already: give it a weight instead",
                );
            }
            let weight = member.weight.unwrap_or(1);
            if !(1..=1000).contains(&weight) {
                self.problem(&format!("{at}.weight"), "between 1 and 1000");
            }
            members.push(Member {
                upstream: member.upstream,
                weight: NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN),
            });
        }
        GroupConfig {
            name,
            members,
            choice,
            provider_change: file.allow_provider_change.into(),
        }
    }
}
