//! Cost and latency by the rate at which a plugin is replaced.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use witgate_artifacts::ROUTE;
use witgate_benches::median;

use super::{Drawing, Measuring, microseconds};
use crate::clock;
use crate::load::{self, Turn};
use crate::proxies::{Proxy, Site};
use crate::report::{Figure, cost, percentile};
use crate::server::WORKERS;
use crate::work::{Work, work};

/// Reloads a second.
const RATES: [usize; 5] = [0, 1, 2, 5, 10];

/// The same number of requests a second for all, so that the reloads' share of a request says something.
const REQUESTS: u32 = 1_000;

/// The versions that a plugin is replaced by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Versions {
    /// Two in turns. Both have been compiled before.
    Known,
    /// A new one each time, which has to be compiled.
    New,
}

pub(super) fn measure(site: &Site, measuring: Measuring) -> Vec<Drawing> {
    let work = Work {
        rate: Some(REQUESTS),
        ..work("reload", "as A", 2 << 10, 32)
    };
    let (bare, witgate) = (site.bare(WORKERS), site.everything(WORKERS));
    let turns_of = |proxy: &Proxy, versions: Option<(Versions, usize)>| {
        let reloads = versions
            .filter(|(_, rate)| *rate > 0)
            .map(|(versions, rate)| Reloads::start(proxy, versions, rate));
        let turns = load::in_turns(&[proxy], &work, measuring.rounds, measuring.turn);
        drop(reloads);
        turns.into_iter().next().expect("a proxy")
    };
    bare.stop();
    witgate.stop();
    let bare = turns_of(&bare, None);
    let known = RATES.map(|rate| turns_of(&witgate, Some((Versions::Known, rate))));
    let new = RATES.map(|rate| turns_of(&witgate, Some((Versions::New, rate))));
    let series = |figure: Figure| {
        let of = |turns: &Vec<Turn>| median(turns.iter().map(figure));
        let ends = [RATES[0], RATES[RATES.len() - 1]];
        vec![
            microseconds("bare pingora", ends.map(|end| (end, of(&bare)))),
            microseconds(
                "two versions in turns",
                RATES.into_iter().zip(known.iter().map(of)),
            ),
            microseconds(
                "a new version each time",
                RATES.into_iter().zip(new.iter().map(of)),
            ),
        ]
    };
    let p99 = |turn: &Turn| percentile(&turn.latencies.all, 99);
    vec![
        Drawing::new(
            "reload",
            "Processor time by reloads of a plugin (1,000 requests a second)",
            ["reloads a second", "µs a request, reloads included"],
            series(cost),
        ),
        Drawing::new(
            "reload-p99",
            "Latency by reloads of a plugin (1,000 requests a second)",
            ["reloads a second", "p99, µs"],
            series(p99),
        ),
    ]
}

/// A thread that replaces a plugin again and again, until this value is dropped.
struct Reloads {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Reloads ===

impl Reloads {
    fn start(proxy: &Proxy, versions: Versions, rate: usize) -> Self {
        let folder = proxy.folder().join("policies");
        let every = Duration::from_secs(1) / u32::try_from(rate).expect("few");
        let (end, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let begun = Instant::now();
            for count in 1_u32.. {
                let due = begun + every * count;
                let wait = due.saturating_duration_since(Instant::now());
                match ended.recv_timeout(wait) {
                    Err(RecvTimeoutError::Timeout) => replace(&folder, versions, count),
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        Self {
            end: Some(end),
            thread: Some(thread),
        }
    }
}

impl Drop for Reloads {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Puts another version of the route plugin into the folder.
fn replace(folder: &Path, versions: Versions, count: u32) {
    let number = match versions {
        Versions::Known => u128::from(count % 2),
        Versions::New => u128::from(clock::now()),
    };
    let unfinished = folder.join(".route.wasm");
    fs::write(&unfinished, version(number)).expect("a file");
    fs::rename(unfinished, folder.join("route.wasm")).expect("a file");
}

/// Returns the route plugin with a custom section that nobody reads, so that its bytes are others.
fn version(number: u128) -> Vec<u8> {
    let name = b"version";
    let content = number.to_le_bytes();
    let size = u8::try_from(1 + name.len() + content.len()).expect("small");
    let section = [&[0, size, 7][..], name, &content].concat();
    [ROUTE.bytes(), &section].concat()
}
