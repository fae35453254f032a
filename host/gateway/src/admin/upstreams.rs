//! The upstreams on the admin pages: `/upstreams`, and their part of `/metrics`.

mod capacity;
mod credentials;

use std::fmt;
use std::time::{Instant, UNIX_EPOCH};

use serde_json::{Value, json};
use witgate_upstream::{AddressStatus, Alternative, Group, LeaseStatus, Upstream, Upstreams};

use super::metrics::families::{Families, label};
use crate::capacities::Capacities;
use crate::clock::{self, WholeUnits as _};
use crate::config::Choice;

/// Returns the page `/upstreams`.
pub(crate) fn page(upstreams: &Upstreams, capacities: &Capacities, now: Instant) -> Value {
    let list: Vec<Value> = upstreams
        .iter()
        .map(|upstream| describe(upstream, capacities, now))
        .collect();
    let groups: Vec<Value> = upstreams.groups().iter().map(describe_group).collect();
    json!({"default": upstreams.default_name(), "upstreams": list, "groups": groups})
}

fn describe(upstream: &Upstream, capacities: &Capacities, now: Instant) -> Value {
    let minute = upstream.stats.minute(now);
    let state = upstream.state(now);
    let trouble = upstream.trouble(now);
    let latency = upstream.stats.latency.average();
    json!({
        "name": upstream.config.name,
        "authority": upstream.authority,
        "kind": upstream.config.kind.code(),
        "provider": upstream.config.provider,
        "region": upstream.config.dialect.as_ref().and_then(|it| it.region()),
        "credential": upstream.lease().as_ref().map(describe_lease),
        "clock_ahead_s": upstream.clock_ahead(),
        "state": state.code(),
        "why": trouble.as_ref().map(|trouble| &trouble.why),
        "since_unix_ms": trouble.as_ref().map(|trouble| unix_ms(trouble.since, now)),
        "next_trial_ms": upstream.opened(now).map(|opened| opened.left.whole_millis()),
        "in_flight": upstream.stats.in_flight(),
        "last_minute": {"requests": minute.requests, "errors": minute.errors},
        "latency_ms": latency.map(|it| it.whole_millis()),
        "retries_left": upstream.retries.left(now),
        "capacity": capacities.of(&upstream.config.name).map(|it| capacity::page(it)),
        "credentials": credentials::page(upstream, now),
        "addresses": describe_addresses(&upstream.addresses.status()),
    })
}

fn describe_lease(lease: &LeaseStatus) -> Value {
    let expires = lease
        .expires
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    json!({
        "from": lease.origin,
        "id": lease.id,
        "expires_unix_ms": expires.map(|at| at.whole_millis()),
        "error": lease.trouble,
    })
}

fn describe_addresses(addresses: &AddressStatus) -> Value {
    let list: Vec<Value> = addresses
        .list
        .iter()
        .map(|(at, passed_over)| {
            let trouble = passed_over.as_ref().map(|passed_over| {
                json!({"why": passed_over.why, "passed_over_for_ms": passed_over.left.whole_millis()})
            });
            json!({"address": at.to_string(), "trouble": trouble})
        })
        .collect();
    json!({
        "list": list,
        "age_ms": addresses.age.map(|it| it.whole_millis()),
        "failed_lookups": addresses.failed_lookups,
        "lookup_error": addresses.lookup_error,
    })
}

fn describe_group(group: &Group) -> Value {
    let members: Vec<Value> = group
        .members()
        .iter()
        .map(|member| json!({"upstream": member.upstream.config.name, "weight": member.weight}))
        .collect();
    let choice = match group.choice {
        Choice::PowerOfTwo => "p2c",
        Choice::Least => "least",
        Choice::Weighted => "weighted",
        Choice::Order => "order",
        Choice::Session => "session",
    };
    json!({"name": group.name, "choice": choice, "members": members})
}

/// Writes the metric families of all upstreams.
pub(crate) fn collect(
    upstreams: &Upstreams,
    capacities: &Capacities,
    now: Instant,
    to: &mut Families<'_>,
) -> fmt::Result {
    let each = || {
        upstreams
            .iter()
            .map(|upstream| ([label("upstream", &upstream.config.name)], upstream))
    };
    let takes = |alternative| {
        each().map(move |(labels, upstream)| (labels, upstream.takes(alternative, now)))
    };
    collect_addresses(upstreams, to)?;
    credentials::collect(upstreams, now, to)?;
    capacity::collect(capacities, to)?;
    to.gauges(
        "upstream_in_flight",
        "Number of requests in progress at the upstream.",
        each().map(|(labels, upstream)| (labels, upstream.stats.in_flight())),
    )?;
    to.gauges(
        "upstream_requests_last_minute",
        "Number of requests to the upstream in the last minute.",
        each().map(|(labels, upstream)| (labels, upstream.stats.minute(now).requests)),
    )?;
    to.gauges(
        "upstream_errors_last_minute",
        "Number of failed requests to the upstream in the last minute.",
        each().map(|(labels, upstream)| (labels, upstream.stats.minute(now).errors)),
    )?;
    to.gauges(
        "upstream_available",
        "1 if the upstream takes requests that could go elsewhere.",
        takes(Alternative::Available).map(|(labels, takes)| (labels, u32::from(takes))),
    )?;
    to.gauges(
        "upstream_refusing",
        "1 if the upstream takes no requests.",
        takes(Alternative::None).map(|(labels, takes)| (labels, u32::from(!takes))),
    )?;
    to.gauges(
        "upstream_latency_microseconds",
        "Average time to the response head; 0 without a sample.",
        each().map(|(labels, upstream)| {
            let average = upstream.stats.latency.average().unwrap_or_default();
            (labels, average.whole_micros())
        }),
    )?;
    to.gauges(
        "upstream_retries_left",
        "Number of retries that the retry budget of the upstream allows now.",
        each().map(|(labels, upstream)| (labels, upstream.retries.left(now))),
    )
}

fn collect_addresses(upstreams: &Upstreams, to: &mut Families<'_>) -> fmt::Result {
    let snapshots: Vec<_> = upstreams
        .iter()
        .map(|upstream| (&upstream.config.name, upstream.addresses.status()))
        .collect();
    let each = || {
        snapshots
            .iter()
            .map(|(name, addresses)| ([label("upstream", name)], addresses))
    };
    to.gauges(
        "upstream_addresses",
        "Number of addresses of the upstream.",
        each().map(|(labels, addresses)| (labels, addresses.list.len())),
    )?;
    to.gauges(
        "upstream_addresses_passed_over",
        "Number of addresses that are tried last because they took no connection.",
        each().map(|(labels, addresses)| {
            let passed_over = addresses.list.iter().filter(|(_, why)| why.is_some());
            (labels, passed_over.count())
        }),
    )?;
    to.gauges(
        "upstream_address_age_seconds",
        "Time since the last successful address lookup.",
        each().filter_map(|(labels, addresses)| Some((labels, addresses.age?.as_secs()))),
    )?;
    to.counters(
        "upstream_failed_lookups",
        "Number of failed address lookups.",
        each().map(|(labels, addresses)| (labels, addresses.failed_lookups)),
    )
}

fn unix_ms(at: Instant, now: Instant) -> u64 {
    let ago = now.saturating_duration_since(at).whole_millis();
    clock::now().0.saturating_sub(ago)
}
