//! `[groups.NAME]`: upstreams that stand in for each other.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroU32;

use serde::Deserialize;
use witgate_config_file::Check;

/// Maximum of a member's weight.
const MAX_WEIGHT: u32 = 1000;

/// Several upstreams under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// Name, which plans and `default_upstream` use like the name of an upstream.
    pub name: String,
    /// Members; at least one.
    pub members: Vec<Member>,
    /// Way to choose a member.
    pub choice: Choice,
    /// Permission for requests with signed thinking to go to a member of another provider than the first member's.
    pub provider_change: ProviderChange,
}

/// An upstream in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name of the upstream.
    pub upstream: String,
    /// Share of the requests.
    pub weight: NonZeroU32,
}

/// The way to choose a member of a group. In each of them, members that take no requests now come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The better one of two that are drawn by weight: the one with the smaller product of requests in flight and time to
    /// the response head.
    #[serde(rename = "p2c")]
    PowerOfTwo,
    /// The member with the fewest requests in flight for its weight.
    Least,
    /// A member drawn by weight.
    Weighted,
    /// The first one, in the order of the configuration.
    Order,
    /// The same one for all requests of a session and agent, by their hash and the weights; drawn by weight for a request without
    /// a session.
    Session,
}

/// The permission to send a request that carries signed thinking to another provider, which could not read the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderChange {
    /// The request may go to another provider.
    Allowed,
    /// The request stays with its provider.
    Refused,
}

/// `[groups.NAME]` as it is written.
#[derive(Debug, Deserialize)]
pub struct GroupFile {
    members: Vec<MemberFile>,
    choice: Option<Choice>,
    #[serde(default)]
    allow_provider_change: bool,
}

#[derive(Debug, Deserialize)]
struct MemberFile {
    upstream: String,
    weight: Option<u32>,
}

// === impl GroupConfig ===

impl GroupConfig {
    /// Checks the groups of a file against the names of its upstreams. `check` is the check of `[groups]`.
    pub fn check_all(
        files: BTreeMap<String, GroupFile>,
        upstreams: &[String],
        check: &mut Check<'_>,
    ) -> Vec<Self> {
        files
            .into_iter()
            .map(|(name, file)| {
                let mut check = check.table(&name);
                file.check(name, upstreams, &mut check)
            })
            .collect()
    }
}

// === impl GroupFile ===

impl GroupFile {
    fn check(self, name: String, upstreams: &[String], check: &mut Check<'_>) -> GroupConfig {
        if upstreams.contains(&name) {
            check.problem(
                "",
                "must not have the name of an upstream; rename one of the two",
            );
        }
        if self.members.is_empty() {
            check.problem("members", "must name at least one upstream");
        }
        let mut seen = HashSet::new();
        let mut members = Vec::with_capacity(self.members.len());
        for (index, member) in self.members.into_iter().enumerate() {
            let mut check = check.table(&format!("members[{index}]"));
            if !upstreams.contains(&member.upstream) {
                check.problem(
                    "upstream",
                    format!("there is no [upstreams.{}]", member.upstream),
                );
            }
            if !seen.insert(member.upstream.clone()) {
                check.problem(
                    "upstream",
                    "is a member already; give that member a `weight` instead of naming it twice",
                );
            }
            let weight = check.number("weight", member.weight, 1, 1..=MAX_WEIGHT);
            members.push(Member {
                upstream: member.upstream,
                weight: NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN),
            });
        }
        GroupConfig {
            name,
            members,
            choice: self.choice.unwrap_or(Choice::PowerOfTwo),
            provider_change: self.allow_provider_change.into(),
        }
    }
}

// === impl ProviderChange ===

impl From<bool> for ProviderChange {
    fn from(allowed: bool) -> Self {
        if allowed {
            Self::Allowed
        } else {
            Self::Refused
        }
    }
}
