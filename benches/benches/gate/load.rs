//! The load: asks a proxy for a while, and measures what that costs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::answers;
use crate::client::Connection;
use crate::proxies::Proxy;
use crate::usage;
use crate::work::{Per, Work};

/// The time during which a proxy warms up before its turn is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// The measurements of a turn.
pub(crate) struct Turn {
    /// Number of answers, or of events.
    pub count: u64,
    /// Nanoseconds of processor time of the whole proxy.
    pub processor: u64,
    /// The same by the names of its threads.
    pub threads: BTreeMap<String, u64>,
    /// Nanoseconds that the turn took.
    pub took: u64,
    /// Nanoseconds from the moment at which each request was due to the end of its answer, in order.
    pub latencies: Vec<u64>,
    /// Resident memory of the proxy at the end, in KiB.
    pub memory: u64,
}

/// Asks the proxy for the time of a turn.
pub(crate) fn run(proxy: &Proxy, work: &Work, turn: Duration) -> Turn {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a thread");
    let request: Rc<[u8]> = work.bytes(&proxy.address.to_string(), &proxy.key).into();
    let expected: Rc<[u8]> = match work.deltas {
        None => answers::json().into(),
        Some(deltas) => answers::events(deltas).concat().into(),
    };
    let events = work
        .deltas
        .map_or(0, |deltas| answers::events(deltas).len() as u64);
    LocalSet::new().block_on(&runtime, async {
        let mut connections = Vec::new();
        for _ in 0..work.connections {
            connections.push(Connection::open(proxy.address).await);
        }
        let warm = ask(connections, work, &request, &expected, WARM_UP).await;
        let before = usage::processor(proxy.id());
        let begun = Instant::now();
        let asked = ask(warm.connections, work, &request, &expected, turn).await;
        let took = nanoseconds(begun.elapsed());
        let after = usage::processor(proxy.id());
        let mut latencies = asked.latencies;
        latencies.sort_unstable();
        let answers = latencies.len() as u64;
        let threads: BTreeMap<_, _> = after
            .into_iter()
            .map(|(name, nanoseconds)| {
                let earlier = before.get(&name).copied().unwrap_or(0);
                (name, nanoseconds.saturating_sub(earlier))
            })
            .collect();
        Turn {
            count: match work.per {
                Per::Request => answers,
                Per::Event => answers * events,
            },
            processor: threads.values().sum(),
            threads,
            took,
            latencies,
            memory: usage::memory(proxy.id()),
        }
    })
}

/// The connections after a while, with the latencies of what they asked.
struct Asked {
    connections: Vec<Connection>,
    latencies: Vec<u64>,
}

/// Asks on all connections for a while, and waits for the last answers.
async fn ask(
    connections: Vec<Connection>,
    work: &Work,
    request: &Rc<[u8]>,
    expected: &Rc<[u8]>,
    time: Duration,
) -> Asked {
    let begun = tokio::time::Instant::now();
    let end = begun + time;
    let count = u32::try_from(connections.len()).expect("few");
    let tasks: Vec<_> = (0..)
        .zip(connections)
        .map(|(index, mut connection)| {
            let (request, expected) = (Rc::clone(request), Rc::clone(expected));
            // With a rate, each connection has every so many requests of it, each at a moment of its own.
            let every = work.rate.map(|rate| Duration::from_secs(1) * count / rate);
            let mut due = begun + every.unwrap_or(Duration::ZERO) * index / count;
            tokio::task::spawn_local(async move {
                let mut latencies = Vec::new();
                loop {
                    if every.is_none() {
                        due = tokio::time::Instant::now();
                    }
                    if due >= end {
                        return (connection, latencies);
                    }
                    tokio::time::sleep_until(due).await;
                    connection.ask(&request, &expected).await;
                    latencies.push(nanoseconds(due.elapsed()));
                    due += every.unwrap_or(Duration::ZERO);
                }
            })
        })
        .collect();
    let mut asked = Asked {
        connections: Vec::new(),
        latencies: Vec::new(),
    };
    for task in tasks {
        let (connection, latencies) = task.await.expect("a client's task ends");
        asked.connections.push(connection);
        asked.latencies.extend(latencies);
    }
    asked
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
