//! Cost by the number of worker threads.

use witgate_benches::median;

use super::{Drawing, Measuring};
use crate::load;
use crate::proxies::{Proxy, Site};
use crate::report::{Figure, cost, rate};
use crate::work::WORKS;

const WORKERS: [usize; 3] = [1, 2, 4];

pub(super) fn measure(site: &Site, measuring: Measuring) -> Vec<Drawing> {
    let bare: Vec<_> = WORKERS.iter().map(|workers| site.bare(*workers)).collect();
    let witgate: Vec<_> = WORKERS
        .iter()
        .map(|workers| site.everything(*workers))
        .collect();
    let all: Vec<&Proxy> = bare.iter().chain(&witgate).collect();
    let turns = load::in_turns(&all, &WORKS[0], measuring.rounds, measuring.turn);
    let series = |figure: Figure, unit: i64| {
        let medians: Vec<_> = turns
            .iter()
            .map(|turns| median(turns.iter().map(figure)))
            .collect();
        let (bare, witgate) = medians.split_at(WORKERS.len());
        let points = |values: &[i64]| WORKERS.into_iter().zip(values.to_vec()).collect::<Vec<_>>();
        vec![
            super::line("bare pingora", points(bare), unit),
            super::line("witgate, everything on", points(witgate), unit),
        ]
    };
    let costs = series(cost, 1000);
    let rates = series(rate, 1);
    vec![
        Drawing::new(
            "workers",
            "Processor time of a request by worker threads (2 KB request, 1 KB answer)",
            ["worker threads", "µs a request"],
            costs,
        ),
        Drawing::new(
            "workers-rate",
            "Requests a second by worker threads (2 KB request, 1 KB answer)",
            ["worker threads", "requests a second"],
            rates,
        ),
    ]
}
