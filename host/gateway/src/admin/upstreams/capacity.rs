//! The capacities of upstreams on the admin pages: limits, and what each resource uses and needs of them.

use std::fmt;

use serde_json::{Value, json};
use witgate_capacity::{Capacity, LimitStatus, ShareStatus, Status, Tally};

use crate::admin::metrics::families::{Families, Label, label};
use crate::capacities::Capacities;
use crate::clock::now;

/// Returns the part of `/upstreams` about a capacity.
pub(super) fn page(capacity: &Capacity) -> Value {
    let status = capacity.status(now().0);
    let decisions = status.tallies.iter().map(|(resource, tally)| {
        json!({
            "resource": &**resource,
            "admitted": tally.admitted,
            "refused": tally.refused,
            "given_way": tally.given_way,
        })
    });
    json!({
        "limits": status.limits.iter().map(describe).collect::<Vec<_>>(),
        "decisions": decisions.collect::<Vec<_>>(),
    })
}

fn describe(status: &LimitStatus) -> Value {
    let shares = status
        .shares
        .iter()
        .map(|share| json!({"resource": &*share.resource, "used": share.used, "need": share.need}));
    json!({
        "unit": status.limit.unit.code(),
        "window": status.limit.window.code(),
        "limit": status.limit.amount,
        "used": status.used,
        "resources": shares.collect::<Vec<_>>(),
    })
}

/// Writes the metric families of all capacities. The configuration bounds the values of every label.
pub(super) fn collect(capacities: &Capacities, to: &mut Families<'_>) -> fmt::Result {
    let now = now().0;
    let all: Vec<(&str, Status)> = capacities
        .iter()
        .map(|(upstream, capacity)| (upstream, capacity.status(now)))
        .collect();
    let limits = || {
        all.iter().flat_map(|(upstream, status)| {
            let limits = status.limits.iter();
            limits.map(|limit| (of_limit(upstream, limit), limit))
        })
    };
    to.gauges(
        "capacity_limit",
        "Amount that the upstream takes within the window.",
        limits().map(|(labels, status)| (labels, status.limit.amount)),
    )?;
    let shares = || {
        limits().flat_map(|([upstream, unit, window], status)| {
            status.shares.iter().map(move |share| {
                let resource = label("resource", &share.resource);
                let labels = [upstream.clone(), unit.clone(), window.clone(), resource];
                (labels, share)
            })
        })
    };
    let each = |value: fn(&ShareStatus) -> u64| {
        shares().map(move |(labels, share)| (labels, value(share)))
    };
    to.gauges(
        "capacity_used",
        "Amount that the resource used within the window, with estimates for requests in progress.",
        each(|share| share.used),
    )?;
    to.gauges(
        "capacity_need",
        "Amount that the resource is expected to need within a window.",
        each(|share| share.need),
    )?;
    let counts = |value: fn(&Tally) -> u64| {
        all.iter().flat_map(move |(upstream, status)| {
            status.tallies.iter().map(move |(resource, tally)| {
                let labels = [label("upstream", upstream), label("resource", resource)];
                (labels, value(tally))
            })
        })
    };
    to.counters(
        "capacity_admitted",
        "Number of requests of the resource that the upstream's capacity had room for.",
        counts(|tally| tally.admitted),
    )?;
    to.counters(
        "capacity_refused",
        "Number of requests of the resource that the upstream's capacity had no room for.",
        counts(|tally| tally.refused),
    )?;
    to.counters(
        "capacity_given_way",
        "Number of requests that others were refused in favour of the resource.",
        counts(|tally| tally.given_way),
    )
}

fn of_limit<'a>(upstream: &'a str, status: &LimitStatus) -> [Label<'a>; 3] {
    [
        label("upstream", upstream),
        label("unit", status.limit.unit.code()),
        label("window", status.limit.window.code()),
    ]
}
