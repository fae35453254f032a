//! The load: asks a proxy for a while, and measures what that costs.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::client::Connection;
use crate::proxies::Proxy;
use crate::work::{Exchange, Per, Work};
use crate::{clock, usage};

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
    /// Resident memory of the proxy at the end, in KiB.
    pub memory: u64,
    /// The latencies.
    pub latencies: Latencies,
}

/// Nanoseconds, each in order.
#[derive(Default)]
pub(crate) struct Latencies {
    /// From the moment at which each request was due to the end of its answer.
    pub all: Vec<u64>,
    /// From the writing of each request to the first bytes of its answer, without the time that the upstream says it took. A request
    /// that had to wait for the answer before it counts from the moment at which it was due.
    pub first: Vec<u64>,
    /// The same to the end of the answer.
    pub end: Vec<u64>,
    /// From the upstream's writing of an event to its arrival.
    pub events: Vec<u64>,
}

/// Measures a work on each of the proxies, in turns. All others are stopped meanwhile. Returns the turns of each proxy.
pub(crate) fn in_turns(
    proxies: &[&Proxy],
    work: &Work,
    rounds: usize,
    turn: Duration,
) -> Vec<Vec<Turn>> {
    proxies.iter().for_each(|proxy| proxy.stop());
    let mut turns: Vec<Vec<Turn>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for place in 0..proxies.len() {
            let index = (place + round) % proxies.len();
            proxies[index].go_on();
            turns[index].push(run(proxies[index], work, turn));
            proxies[index].stop();
        }
    }
    turns
}

/// Asks the proxy for the time of a turn.
pub(crate) fn run(proxy: &Proxy, work: &Work, turn: Duration) -> Turn {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a thread");
    let exchange = Rc::new(work.exchange(&proxy.address.to_string(), &proxy.key));
    LocalSet::new().block_on(&runtime, async {
        let mut connections = Vec::new();
        for _ in 0..work.connections {
            connections.push(Connection::open(proxy.address).await);
        }
        let (connections, _) = ask(connections, work, &exchange, WARM_UP).await;
        let before = usage::processor(proxy.id());
        let begun = clock::now();
        let (_connections, latencies) = ask(connections, work, &exchange, turn).await;
        let took = clock::now() - begun;
        let after = usage::processor(proxy.id());
        let threads: BTreeMap<_, _> = after
            .into_iter()
            .map(|(name, nanoseconds)| {
                let earlier = before.get(&name).copied().unwrap_or(0);
                (name, nanoseconds.saturating_sub(earlier))
            })
            .collect();
        let answers = latencies.all.len() as u64;
        Turn {
            count: match work.per {
                Per::Request => answers,
                Per::Event => answers * work.events(),
            },
            processor: threads.values().sum(),
            threads,
            took,
            memory: usage::memory(proxy.id()),
            latencies,
        }
    })
}

/// Asks on all connections for a while, and waits for the last answers.
async fn ask(
    connections: Vec<Connection>,
    work: &Work,
    exchange: &Rc<Exchange>,
    time: Duration,
) -> (Vec<Connection>, Latencies) {
    let count = u32::try_from(connections.len()).expect("few");
    // With a rate, each connection has every so many requests of it, each at a moment of its own.
    let every = work.rate.map(|rate| Duration::from_secs(1) * count / rate);
    let spread = match every {
        Some(every) => every,
        None if work.stamped => work.length(),
        None => Duration::ZERO,
    };
    let begun = clock::now();
    let tasks: Vec<_> = (0..)
        .zip(connections)
        .map(|(index, connection)| {
            let caller = Caller {
                connection,
                exchange: Rc::clone(exchange),
                due: begun + nanoseconds(spread * index / count),
                every: every.map(nanoseconds),
                end: begun + nanoseconds(time),
            };
            tokio::task::spawn_local(caller.ask())
        })
        .collect();
    let mut connections = Vec::new();
    let mut all = Latencies::default();
    for task in tasks {
        let (connection, latencies) = task.await.expect("a client's task ends");
        connections.push(connection);
        all.extend(latencies);
    }
    all.sort();
    (connections, all)
}

/// A client with one connection.
struct Caller {
    connection: Connection,
    exchange: Rc<Exchange>,
    /// The moment of its next request.
    due: u64,
    /// The time between two requests, or `None` if one follows the other.
    every: Option<u64>,
    /// The moment from which it asks no more.
    end: u64,
}

// === impl Caller ===

impl Caller {
    async fn ask(mut self) -> (Connection, Latencies) {
        let mut latencies = Latencies::default();
        let mut free = 0;
        while self.due < self.end {
            let ahead = self.due.saturating_sub(clock::now());
            if ahead > 0 {
                tokio::time::sleep(Duration::from_nanos(ahead)).await;
            }
            let moments = self
                .connection
                .ask(&self.exchange, &mut latencies.events)
                .await;
            // The connection was busy when the request was due.
            let from = if free > self.due {
                self.due
            } else {
                moments.sent
            };
            latencies
                .all
                .push(moments.ended - self.due.min(moments.sent));
            for (moment, into) in [
                (moments.first, &mut latencies.first),
                (moments.ended, &mut latencies.end),
            ] {
                into.push((moment - from).saturating_sub(moments.upstream));
            }
            free = moments.ended;
            self.due = self.every.map_or_else(clock::now, |every| self.due + every);
        }
        (self.connection, latencies)
    }
}

// === impl Latencies ===

impl Latencies {
    fn all(&mut self) -> [&mut Vec<u64>; 4] {
        [
            &mut self.all,
            &mut self.first,
            &mut self.end,
            &mut self.events,
        ]
    }

    fn extend(&mut self, mut more: Self) {
        for (mine, more) in self.all().into_iter().zip(more.all()) {
            mine.append(more);
        }
    }

    fn sort(&mut self) {
        self.all().into_iter().for_each(|list| list.sort_unstable());
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
