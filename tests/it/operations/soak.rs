//! Mixed traffic with one fault in twenty requests, for as long as it takes to see what only time shows.
//!
//! At its end every request has its receipt and no hold is open, what was spent is the sum of the receipts, every client
//! got the right bytes, a visible cut or an error in the known shape, no request was refused that the upstream would have
//! answered, and the process has not grown. `SOAK_SECONDS` says how long (a few seconds unless told otherwise; `make soak`
//! runs ten minutes), `SOAK_SEED` repeats a run's requests.

mod answers;
mod child;
mod traffic;
mod upstream;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::harness::Upstream;
use answers::{Fault, shapes};
use child::Process;
use traffic::{Made, Random, Seen, Worker};
use upstream::FaultyUpstream;

/// Clients, each with one request at a time.
const WORKERS: u64 = 12;
/// The growth that is allowed between the first minute and the end, in KiB: more than the noise of an allocator
/// and of buffers in use, and over ten minutes less than a leak of a hundred bytes a request.
const SLACK: u64 = 24 * 1024;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The number of events of each kind.
#[derive(Default)]
struct Tally {
    shapes: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    problems: Vec<String>,
    made: u64,
}

// === impl Tally ===

impl Tally {
    fn note(&mut self, Made { shape, fault, seen }: Made) {
        self.made += 1;
        *self.shapes.entry(shape).or_default() += 1;
        let seen = match seen {
            Ok(Seen::Right) => "right",
            Ok(Seen::Error) => "error",
            Ok(Seen::Cut) => "cut",
            Ok(Seen::Left) => "left",
            Err(problem) => {
                self.problems.push(problem);
                "WRONG"
            }
        };
        let row = match fault {
            Fault::None => "no fault",
            fault => fault.name(),
        };
        *self.faults.entry(row).or_default().entry(seen).or_default() += 1;
    }

    fn join(&mut self, other: Self) {
        self.made += other.made;
        self.problems.extend(other.problems);
        for (name, count) in other.shapes {
            *self.shapes.entry(name).or_default() += count;
        }
        for (row, seen) in other.faults {
            let mine = self.faults.entry(row).or_default();
            for (name, count) in seen {
                *mine.entry(name).or_default() += count;
            }
        }
    }

    /// A table of what happened to whom, and how often what was asked for.
    fn table(&self) -> String {
        let heads = ["right", "error", "cut", "left", "WRONG"];
        let line = |first: &str, cells: [String; 5]| {
            let cells = cells.map(|cell| format!("{cell:>9}")).concat();
            format!("{first:<26}{cells}\n")
        };
        let mut table = line("fault", heads.map(str::to_owned));
        for (row, seen) in &self.faults {
            let count = |name| seen.get(name).copied().unwrap_or(0).to_string();
            table += &line(row, heads.map(count));
        }
        for (shape, count) in &self.shapes {
            table += &format!("\n{shape:<26}{count:>9}");
        }
        table
    }
}

/// Resident memory over time.
struct Memory(Vec<(Duration, u64)>);

// === impl Memory ===

impl Memory {
    /// The median of the samples of a while; of a while without any, the one after it.
    fn during(&self, from: Duration, while_: Duration) -> u64 {
        let after = self.0.iter().skip_while(|(at, _)| *at < from);
        let within = after.clone().take_while(|(at, _)| *at < from + while_);
        let mut samples: Vec<u64> = within.map(|(_, kib)| *kib).collect();
        samples.sort_unstable();
        let median = samples.get(samples.len() / 2).copied();
        let last = self.0.last().map_or(0, |(_, kib)| *kib);
        median.or(after.map(|(_, kib)| *kib).next()).unwrap_or(last)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_traffic_with_faults_loses_no_receipt_leaves_no_hold_and_does_not_grow() {
    let length = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(6));
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let seed = number("SOAK_SEED").unwrap_or(clock);
    println!("soak: {length:?} with SOAK_SEED={seed}");

    let shapes = Arc::new(shapes());
    assert_eq!(
        shapes.iter().map(|shape| shape.weight).sum::<u64>(),
        100,
        "weights"
    );
    let upstream = FaultyUpstream::start(Arc::clone(&shapes)).await;
    let process = Process::start(upstream.address, Upstream::refusing().await);

    let begun = Instant::now();
    let ids = Arc::new(AtomicU64::new(0));
    let mut seeds = Random(seed);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let mut worker = Worker::new(
                seeds.next(),
                Arc::clone(&shapes),
                process.address,
                process.key.clone(),
            );
            let ids = Arc::clone(&ids);
            tokio::spawn(async move {
                let mut tally = Tally::default();
                while begun.elapsed() < length {
                    let id = ids.fetch_add(1, Ordering::Relaxed);
                    tally.note(worker.once(&format!("soak-{id}")).await);
                }
                tally
            })
        })
        .collect();
    let mut memory = Memory(Vec::new());
    while begun.elapsed() < length {
        memory.0.push((begun.elapsed(), process.resident()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut tally = Tally::default();
    for worker in workers {
        tally.join(worker.await.expect("a client goes on"));
    }

    let budgets = process.budgets_at_rest().await;
    let receipts = process.stop();
    // A minute, or a third of what is shorter than three, is enough to fill what is meant to be kept.
    let (warm, tenth) = ((length / 3).min(Duration::from_secs(60)), length / 10);
    let resident = (
        memory.during(warm, tenth),
        memory.during(length - tenth, tenth),
    );
    println!(
        "{}",
        report(&tally, &upstream, &receipts, &budgets, resident)
    );
    check(&tally, &receipts, &budgets);
    let (first, last) = resident;
    assert!(last <= first + SLACK, "it grew from {first} to {last} KiB");
}

fn report(
    tally: &Tally,
    upstream: &FaultyUpstream,
    receipts: &[Value],
    budgets: &Value,
    memory: (u64, u64),
) -> String {
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    for receipt in receipts {
        let outcome = receipt["outcome"].as_str().unwrap_or("none");
        *outcomes.entry(outcome).or_default() += 1;
    }
    let problems: Vec<_> = tally.problems.iter().take(20).cloned().collect();
    format!(
        "{}\n\nrequests {}, receipts {}, open holds {}\noutcomes: {outcomes:?}\nupstream calls: {:?}\n\
         resident KiB: {} early, {} at the end\n{}",
        tally.table(),
        tally.made,
        receipts.len(),
        budgets["open_holds"],
        upstream.calls(),
        memory.0,
        memory.1,
        problems.join("\n"),
    )
}

fn check(tally: &Tally, receipts: &[Value], budgets: &Value) {
    assert!(
        tally.problems.is_empty(),
        "{} answers were neither right nor a proper error; the first: {}",
        tally.problems.len(),
        tally.problems[0]
    );
    assert_eq!(receipts.len() as u64, tally.made, "one receipt a request");
    let left_alone = receipts
        .iter()
        .find(|receipt| !receipt["passed_over"]["default"].is_null());
    assert_eq!(
        left_alone, None,
        "the upstream that fails for one in twenty is always asked"
    );
    let distinct: HashSet<_> = receipts
        .iter()
        .map(|receipt| receipt["id"].as_str())
        .collect();
    assert_eq!(distinct.len(), receipts.len(), "each has an id of its own");
    let correlated: Vec<_> = receipts
        .iter()
        .filter_map(|receipt| receipt["correlation_id"].as_str())
        .collect();
    let distinct: HashSet<_> = correlated.iter().collect();
    assert_eq!(distinct.len(), correlated.len(), "no request has two");

    assert_eq!(budgets["open_holds"], 0, "no hold is open: {budgets}");
    let accounts = budgets["accounts"].as_array().unwrap();
    let account = accounts
        .iter()
        .find(|account| account["unit"] == "picousd")
        .expect("the tenant's account");
    assert_eq!(account["held"], 0, "nothing is held: {account}");
    let costs = receipts
        .iter()
        .filter_map(|receipt| receipt["cost_picousd"].as_i64());
    let sum: i64 = costs.sum();
    assert_eq!(
        account["used"].as_i64(),
        Some(sum),
        "spent is the sum of the receipts"
    );
    assert!(sum > 0, "and something was spent");
}
