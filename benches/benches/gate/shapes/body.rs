//! Cost by the size of a request's body.

use witgate_benches::chart::Scale;

use super::{Drawing, Measuring, microseconds};
use crate::gateway::Gateway;
use crate::proxies::Site;
use crate::report::cost;
use crate::server::WORKERS;
use crate::work::work;

/// Sizes in bytes. The largest is below the API's limit of 32 MB.
const SIZES: [usize; 6] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000, 30_000_000];

/// Bytes that are on their way at a time, about.
const AT_A_TIME: usize = 32_000_000;

pub(super) fn measure(site: &Site, measuring: Measuring) -> Vec<Drawing> {
    let proxies = [
        site.bare(WORKERS),
        site.gateway(&Gateway::new("witgate, no plugins")),
        site.everything(WORKERS),
    ];
    let mut lines: Vec<Vec<(usize, i64)>> = proxies.iter().map(|_| Vec::new()).collect();
    for size in SIZES {
        let work = work(
            "body",
            "1 KB JSON answer",
            size,
            (AT_A_TIME / size).clamp(2, 16),
        );
        let costs = measuring.medians(&proxies.each_ref(), &work, cost);
        for (line, cost) in lines.iter_mut().zip(costs) {
            line.push((size, cost));
        }
    }
    let series = proxies.iter().zip(lines);
    let series = series.map(|(proxy, line)| microseconds(&proxy.name, line));
    let mut drawing = Drawing::new(
        "body",
        "Processor time of a request by the size of its body (1 KB answer)",
        ["bytes of the body", "µs a request"],
        series.collect(),
    );
    drawing.chart.y.scale = Scale::Log;
    vec![drawing]
}
