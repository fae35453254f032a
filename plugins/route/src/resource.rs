//! Resources: primary targets, ordered or weighted, and secondary targets.

use witgate_plugin::types::{Disconnect, Plan, Refusal, RetryReason, Target};
use witgate_plugin::{Glob, Problems};

use crate::facts::Facts;

witgate_plugin::settings! {
    /// The targets of a resource, and its retry settings.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Resource {
        /// Name of a resource of the settings, or a pattern of names. Overrides and rules have none.
        pub(crate) name: Option<Glob>,
        /// Primary targets in order of preference. If any has a weight, the first one is drawn by weight.
        pub(crate) targets: Vec<Place>,
        /// Fallbacks, tried after the targets. `vmx.secondaryModelIndex` moves one of them to the front.
        pub(crate) secondary: Vec<Place>,
        /// Reasons to retry at the next target. Empty for all of them.
        pub(crate) retry_on: Vec<String>,
        /// Maximum number of retries at one target, or `None` for the upstream's own setting.
        pub(crate) retries: Option<u32>,
        /// Treatment of a response whose client has disconnected, `stop` or `drain`, or `None` for the gateway's own setting.
        pub(crate) on_client_gone: Option<String>,
    }

    /// A target as written in the settings.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Place {
        pub(crate) upstream: String,
        /// Model to ask for, or `None` for the request's own.
        pub(crate) model: Option<String>,
        pub(crate) timeout_ms: Option<u32>,
        /// Share of requests that try this target first, relative to the other weights.
        pub(crate) weight: Option<u32>,
        ..
        /// Set for a target that the caller named in an override.
        pub(crate) by_caller: bool,
    }
}

/// The attribute of a target that the caller named in an override.
const NAMED_BY_CALLER: (&str, &str) = ("named-by", "caller");

/// The contract's codes for reasons to retry.
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
    /// Adds the problems of the resource, which stands at `path`.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if self.targets.is_empty() {
            problems.push(
                path,
                "name at least one target: targets = [{ upstream = \"…\" }]",
            );
        }
        for (index, code) in self.retry_on.iter().enumerate() {
            if !RETRIABLE.contains(&code.as_str()) {
                let mut message = format!("unknown code `{code}`; known are");
                for (index, known) in RETRIABLE.iter().enumerate() {
                    message.push_str(if index == 0 { " " } else { ", " });
                    message.push_str(known);
                }
                problems.push(format!("{path}.retry_on[{index}]"), message);
            }
        }
        if self.retries.is_some_and(|retries| retries > 10) {
            problems.push(format!("{path}.retries"), "must be at most 10");
        }
        let gone = self.on_client_gone.as_deref();
        if gone.is_some_and(|policy| !matches!(policy, "stop" | "drain")) {
            problems.push(
                format!("{path}.on_client_gone"),
                "must be `stop` or `drain`",
            );
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

    /// Returns a plan with the targets in their order for this request.
    ///
    /// # Errors
    ///
    /// Returns a 400 if `secondary` is out of range.
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

        // Loops, because a chain of iterators is a kilobyte of code.
        let mut targets = Vec::with_capacity(self.targets.len() + self.secondary.len());
        for (places, first) in [(&self.secondary, chosen), (&self.targets, drawn)] {
            if let Some(place) = first.and_then(|index| places.get(index)) {
                targets.push(place.target());
            }
        }
        for (places, first) in [(&self.targets, drawn), (&self.secondary, chosen)] {
            for (index, place) in places.iter().enumerate() {
                if first != Some(index) {
                    targets.push(place.target());
                }
            }
        }
        let mut plan = Plan::new(targets);
        plan.retries = self.retries;
        plan.on_disconnect = self.on_client_gone.as_deref().map(|policy| match policy {
            "drain" => Disconnect::Drain,
            _ => Disconnect::Stop,
        });
        if !self.retry_on.is_empty() {
            plan = plan.retry_on(self.retry_on.iter().map(|code| RetryReason::of(code)));
        }
        Ok(plan)
    }

    /// Returns the index of the target that the weights put first, or `None` if there are no weights.
    fn draw(&self, facts: &Facts<'_>) -> Option<usize> {
        let weight = |place: &Place| u64::from(place.weight.unwrap_or_default());
        let total: u64 = self.targets.iter().map(weight).sum();
        if total == 0 {
            return None;
        }
        let mut left = facts.lot() % total;
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

/// Returns the refusal for a `vmx.secondaryModelIndex` past the end of the list.
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
            edits: Vec::new(),
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

    /// Returns whether both targets are the same model at the same upstream.
    pub(crate) fn leads_like(&self, other: &Self) -> bool {
        self.upstream == other.upstream && self.model == other.model
    }
}
