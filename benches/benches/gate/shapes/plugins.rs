//! Cost by the number of plugins: those that a request does not interest, and those that it asks.

use witgate_artifacts::ROUTE;

use super::{Drawing, Measuring, microseconds};
use crate::gateway::{Gateway, Plugin};
use crate::proxies::{Proxy, Site};
use crate::report::cost;
use crate::server::WORKERS;
use crate::work::WORKS;

/// Numbers of plugins that are loaded and not asked.
const LOADED: [usize; 5] = [0, 1, 4, 16, 64];

/// Numbers of plugins that each request asks.
const ASKED: [usize; 6] = [0, 1, 2, 4, 8, 16];

/// Settings of the route plugin with a rule, so that it has to look at each request; the rule never holds.
const RULE: &str = r#"
[settings]
unmatched = "pass"
[[settings.rules]]
name = "nobody"
when = [{ field = "tier", is = ["nobody"] }]
block = { message = "no" }
"#;

pub(super) fn measure(site: &Site, measuring: Measuring) -> Vec<Drawing> {
    let gateways = |counts: &[usize], sidecar: Option<&str>| -> Vec<Proxy> {
        let start = |count: &usize| start(site, *count, sidecar);
        counts.iter().map(start).collect()
    };
    let bare = site.bare(WORKERS);
    let loaded = gateways(&LOADED, None);
    let asked = gateways(&ASKED[1..], Some(RULE));
    let all: Vec<_> = std::iter::once(&bare)
        .chain(&loaded)
        .chain(&asked)
        .collect();
    let costs = measuring.medians(&all, &WORKS[0], cost);
    let (bare, rest) = (costs[0], &costs[1..]);
    let (loaded, asked) = rest.split_at(LOADED.len());
    // Without plugins there is nothing to ask.
    let asked = loaded[..1].iter().chain(asked).copied();
    let ends = [LOADED[0], LOADED[LOADED.len() - 1]];
    vec![Drawing::new(
        "plugins",
        "Processor time of a request by plugins (2 KB request, 1 KB answer)",
        ["plugins", "µs a request"],
        vec![
            microseconds("bare pingora", ends.map(|end| (end, bare))),
            microseconds(
                "loaded, not interested",
                LOADED.into_iter().zip(loaded.iter().copied()),
            ),
            microseconds("asked by each request", ASKED.into_iter().zip(asked)),
        ],
    )]
}

/// Starts a gateway with so many copies of the route plugin.
fn start(site: &Site, count: usize, sidecar: Option<&str>) -> Proxy {
    let plugin = |index: usize| {
        let shipped = Plugin::shipped(ROUTE, &format!("route{index:02}"));
        Plugin {
            sidecar: sidecar.map_or(shipped.sidecar, str::to_owned),
            ..shipped
        }
    };
    site.gateway(&Gateway {
        plugins: (0..count).map(plugin).collect(),
        ..Gateway::new("witgate")
    })
}
