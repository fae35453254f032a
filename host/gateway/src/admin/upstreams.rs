//! The upstreams' part of the admin pages.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::admin::metrics::Sample;
use crate::config::Choice;
use crate::upstream::breaker::Alternative;
use crate::upstream::dns::Snapshot;
use crate::upstream::group::Group;
use crate::upstream::{Upstream, Upstreams};

/// The page `/upstreams`.
pub(crate) fn page(upstreams: &Upstreams, now: Instant) -> Value {
    let list: Vec<Value> = upstreams
        .iter()
        .map(|upstream| describe(upstream, now))
        .collect();
    let groups: Vec<Value> = upstreams.groups().iter().map(describe_group).collect();
    json!({"default": upstreams.default_name(), "upstreams": list, "groups": groups})
}

fn describe(upstream: &Upstream, now: Instant) -> Value {
    let minute = upstream.stats.minute(now);
    let state = upstream.state(now);
    let trouble = upstream.trouble(now);
    let latency = upstream.stats.latency.average();
    json!({
        "name": upstream.config.name,
        "authority": upstream.authority,
        "provider": upstream.config.provider,
        "state": state.code(),
        "why": trouble.as_ref().map(|trouble| &trouble.why),
        "since_unix_ms": trouble.as_ref().map(|trouble| unix_ms(trouble.since, now)),
        "next_trial_ms": upstream.opened(now).map(|opened| millis(opened.left)),
        "in_flight": upstream.stats.in_flight(),
        "last_minute": {"requests": minute.requests, "errors": minute.errors},
        "latency_ms": latency.map(millis),
        "retries_left": upstream.retries.left(now),
        "addresses": describe_addresses(&upstream.addresses.snapshot()),
    })
}

fn describe_addresses(addresses: &Snapshot) -> Value {
    let list: Vec<Value> = addresses
        .list
        .iter()
        .map(|(at, passed_over)| {
            let trouble = passed_over.as_ref().map(|passed_over| {
                json!({"why": passed_over.why, "passed_over_for_ms": millis(passed_over.left)})
            });
            json!({"address": at.to_string(), "trouble": trouble})
        })
        .collect();
    json!({
        "list": list,
        "age_ms": addresses.age.map(millis),
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
    };
    json!({"name": group.name, "choice": choice, "members": members})
}

/// Samples of all upstreams, those of one name together.
pub(crate) fn samples(upstreams: &Upstreams, now: Instant) -> Vec<Sample> {
    type Read = fn(&Upstream, Instant) -> i128;
    let reads: [(&'static str, Read); 7] = [
        ("upstream_in_flight", |upstream, _| {
            i128::from(upstream.stats.in_flight())
        }),
        ("upstream_requests_last_minute", |upstream, now| {
            i128::from(upstream.stats.minute(now).requests)
        }),
        ("upstream_errors_last_minute", |upstream, now| {
            i128::from(upstream.stats.minute(now).errors)
        }),
        ("upstream_available", |upstream, now| {
            i128::from(upstream.is_available(now))
        }),
        ("upstream_refusing", |upstream, now| {
            i128::from(!upstream.takes(Alternative::None, now))
        }),
        ("upstream_latency_microseconds", |upstream, _| {
            let average = upstream.stats.latency.average().unwrap_or_default();
            i128::try_from(average.as_micros()).unwrap_or(i128::MAX)
        }),
        ("upstream_retries_left", |upstream, now| {
            i128::from(upstream.retries.left(now))
        }),
    ];
    let mut samples = address_samples(upstreams);
    for (name, read) in reads {
        samples.extend(upstreams.iter().map(|upstream| Sample {
            name,
            labels: vec![("upstream", upstream.config.name.clone())],
            value: read(upstream, now),
        }));
    }
    samples
}

fn address_samples(upstreams: &Upstreams) -> Vec<Sample> {
    type Read = fn(&Snapshot) -> Option<i128>;
    let reads: [(&'static str, Read); 4] = [
        ("upstream_addresses", |addresses| {
            i128::try_from(addresses.list.len()).ok()
        }),
        ("upstream_addresses_passed_over", |addresses| {
            let passed_over = addresses.list.iter().filter(|(_, why)| why.is_some());
            i128::try_from(passed_over.count()).ok()
        }),
        ("upstream_address_age_seconds", |addresses| {
            addresses.age.map(|age| i128::from(age.as_secs()))
        }),
        ("upstream_failed_lookups", |addresses| {
            Some(i128::from(addresses.failed_lookups))
        }),
    ];
    let snapshots: Vec<_> = upstreams
        .iter()
        .map(|upstream| (&upstream.config.name, upstream.addresses.snapshot()))
        .collect();
    let mut samples = Vec::new();
    for (name, read) in reads {
        samples.extend(snapshots.iter().filter_map(|(upstream, addresses)| {
            Some(Sample {
                name,
                labels: vec![("upstream", (*upstream).clone())],
                value: read(addresses)?,
            })
        }));
    }
    samples
}

fn unix_ms(at: Instant, now: Instant) -> u64 {
    let at = SystemTime::now().checked_sub(now.saturating_duration_since(at));
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, millis)
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
