//! Resources: targets in order of preference, by weight, and secondary ones.

use crate::facts::Facts;
use serde::{Deserialize, Serialize};
use witgate_plugin::Problems;
use witgate_plugin::types::{Plan, Refusal, Target};

/// Where requests for a resource go.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// Where one has a weight, the first place is drawn by weight; else they are tried in this order.
    #[serde(default)]
    pub(crate) targets: Vec<Place>,
    /// Tried after the targets, and first where `vmx.secondaryModelIndex` points at one.
    #[serde(default)]
    pub(crate) secondary: Vec<Place>,
    /// What may be tried at the next target; everything if empty.
    #[serde(default)]
    pub(crate) retry_on: Vec<String>,
    /// How often one target is tried again; the upstream's own setting if absent.
    pub(crate) retries: Option<u32>,
    /// What happens to an answer whose client has left, `stop` or `drain`; the gateway's own setting if absent.
    pub(crate) on_client_gone: Option<String>,
}

/// A target as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) upstream: String,
    /// The request's own model if absent.
    pub(crate) model: Option<String>,
    pub(crate) timeout_ms: Option<u32>,
    /// Share of the first places, in relation to the other weights.
    pub(crate) weight: Option<u32>,
    /// Whether the caller has named it itself, by an override.
    #[serde(skip)]
    pub(crate) by_caller: bool,
}

/// The attribute that tells the host of a target that the caller has named itself.
const NAMED_BY_CALLER: (&str, &str) = ("named-by", "caller");

/// The contract's codes for what may be retried.
const RETRIABLE: [&str; 6] = [
    "connect",
    "timeout",
    "conflict",
    "rate-limit",
    "overloaded",
    "server-error",
];

// === impl Resource ===

impl Resource {
    /// Note what is wrong with it.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if self.targets.is_empty() {
            problems.push(
                path,
                "name at least one target: targets = [{ upstream = \"…\" }]",
            );
        }
        for (index, code) in self.retry_on.iter().enumerate() {
            if !RETRIABLE.contains(&code.as_str()) {
                let known = RETRIABLE.join(", ");
                problems.push(
                    format!("{path}.retry_on[{index}]"),
                    format!("unknown code `{code}`; known are {known}"),
                );
            }
        }
        if self.retries.is_some_and(|retries| retries > 10) {
            problems.push(format!("{path}.retries"), "at most 10");
        }
        let gone = self.on_client_gone.as_deref();
        if gone.is_some_and(|policy| !matches!(policy, "stop" | "drain")) {
            problems.push(format!("{path}.on_client_gone"), "`stop` or `drain`");
        }
        for (index, place) in self.secondary.iter().enumerate() {
            if place.weight.is_some() {
                problems.push(
                    format!("{path}.secondary[{index}].weight"),
                    "secondary targets have no weight",
                );
            }
        }
    }

    /// The targets in the order for this request.
    pub(crate) fn plan(&self, facts: &Facts<'_>, secondary: Option<u32>) -> Result<Plan, Refusal> {
        let chosen = secondary.map(|index| {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            self.secondary
                .get(index)
                .map(|_| index)
                .ok_or_else(|| out_of_range(self.secondary.len()))
        });
        let chosen = chosen.transpose()?;
        let drawn = self.draw(facts);

        let first = chosen
            .and_then(|index| self.secondary.get(index))
            .into_iter();
        let primary = drawn.and_then(|index| self.targets.get(index)).into_iter();
        let places = first
            .chain(primary)
            .chain(except(&self.targets, drawn))
            .chain(except(&self.secondary, chosen));
        let mut plan = Plan::new(places.map(Place::target).collect());
        plan.attributes = self.attributes();
        Ok(plan.retry_on(self.retry_on.iter().map(String::as_str)))
    }

    /// What the host is told in open codes.
    fn attributes(&self) -> Vec<(String, String)> {
        let retries = self.retries.map(|retries| retries.to_string());
        let codes = [
            ("retries", retries),
            ("client-gone", self.on_client_gone.clone()),
        ];
        codes
            .into_iter()
            .filter_map(|(code, value)| Some((code.to_owned(), value?)))
            .collect()
    }

    /// Which target is first by weight; none where there are no weights.
    fn draw(&self, facts: &Facts<'_>) -> Option<usize> {
        let weight = |place: &Place| u64::from(place.weight.unwrap_or_default());
        let total: u64 = self.targets.iter().map(weight).sum();
        let mut left = facts.lot().checked_rem(total)?;
        self.targets
            .iter()
            .position(|place| match left.checked_sub(weight(place)) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            })
    }
}

fn except(places: &[Place], index: Option<usize>) -> impl Iterator<Item = &Place> {
    let others = places.iter().enumerate();
    others.filter_map(move |(at, place)| (Some(at) != index).then_some(place))
}

/// The answer to a `vmx.secondaryModelIndex` that points past the end.
pub(crate) fn out_of_range(secondaries: usize) -> Refusal {
    Refusal::invalid(format!(
        "vmx.secondaryModelIndex: out of range; this resource has {secondaries} secondary models, counted from 0"
    ))
}

// === impl Place ===

impl Place {
    fn target(&self) -> Target {
        Target {
            upstream: self.upstream.clone(),
            model: self.model.clone(),
            timeout_ms: self.timeout_ms,
            attributes: self
                .by_caller
                .then(|| {
                    let (name, value) = NAMED_BY_CALLER;
                    (name.to_owned(), value.to_owned())
                })
                .into_iter()
                .collect(),
        }
    }

    /// Whether both lead to the same model at the same upstream.
    pub(crate) fn leads_like(&self, other: &Self) -> bool {
        self.upstream == other.upstream && self.model == other.model
    }
}
