//! The lines of `witgate check` about the capacity of upstreams and the resources that share it.

use witgate_gateway::config::Config;
use witgate_gateway::inspect::{self, Unlimited};

use crate::output::count_of;

/// Returns a line about each capacity, and a warning if callers may choose the priority of their requests.
pub(super) fn lines(config: &Config) -> Vec<String> {
    let capacities = config.upstreams.iter().filter_map(|upstream| {
        let limits = upstream.capacity.as_ref()?.limits.iter();
        let limits: Vec<String> = limits
            .map(|limit| format!("{} {} per {}", limit.amount, limit.unit, limit.window))
            .collect();
        let (name, limits) = (&upstream.name, limits.join(", "));
        Some(format!("upstream {name}: shares out {limits}"))
    });
    capacities.chain(warning(config)).collect()
}

/// Returns the warning of resources with a priority that any caller may name.
fn warning(config: &Config) -> Option<String> {
    let preferred = config.resources.preferred();
    let names: Vec<String> = preferred.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return None;
    }
    let names = names.join(", ");
    match inspect::unlimited(config)? {
        Unlimited::Keys(0) => None,
        Unlimited::Everyone => Some(format!(
            "warning: every caller may name the resources that come before others ({names}), because the gateway has no keys"
        )),
        Unlimited::Keys(keys) => Some(format!(
            "warning: {} may name the resources that come before others ({names}): say in `models` of each key what it may use",
            count_of(keys, "key")
        )),
    }
}
