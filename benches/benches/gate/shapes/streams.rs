//! Memory by the number of open streams.

use std::fs;
use std::time::Duration;

use tokio::task::LocalSet;
use witgate_benches::table::{Table, decimal};

use super::{Drawing, Measuring, line, memory};
use crate::answers;
use crate::client::Connection;
use crate::gateway::Gateway;
use crate::proxies::{Proxy, Site};
use crate::server::WORKERS;
use crate::work::{Work, work};

/// Numbers of open streams.
const STREAMS: [usize; 6] = [1, 10, 100, 1_000, 3_000, 10_000];

/// The least number of streams of which the memory shows beside that of the process.
const LEAST: usize = 10;

/// Files that a proxy has open beside its streams, at most.
const OTHER_FILES: usize = 200;

/// The time in which a proxy comes to rest.
const REST: Duration = Duration::from_secs(2);

/// The most memory that a stream may take, in KiB.
const GOAL: i64 = 32;

/// Limits that let all streams in.
const TABLES: &str = "[limits]\nin_flight = 0\nin_flight_per_key = 0\nconnections = 100000\nmemory_bytes = 17179869184\n\
     memory_bytes_per_key = 17179869184\n";

/// The request of a stream that has its first deltas and stays open.
const WORK: Work = Work {
    deltas: Some(4),
    stays: true,
    ..work("streams", "streams that stay open", 2 << 10, 1)
};

pub(super) fn measure(site: &Site, _: Measuring) -> Vec<Drawing> {
    let counts = counts();
    let proxies = [
        site.bare(WORKERS),
        site.gateway(&Gateway {
            tables: TABLES,
            ..Gateway::everything()
        }),
    ];
    let measured = proxies.each_ref().map(|proxy| held(proxy, &counts));
    let mut table = Table::new(["streams", "bare pingora, RSS MiB", "witgate, RSS MiB"]);
    for (index, count) in counts.iter().enumerate() {
        let memories = measured.iter().map(|(_, memories)| memories[index]);
        let memories = memories.map(|memory| decimal(memory, 1024, 1));
        table.row(std::iter::once(count.to_string()).chain(memories));
    }
    println!("\n{table}");
    let each = |index: usize| {
        let (before, memories) = &measured[index];
        let each = counts.iter().zip(memories).map(|(count, memory)| {
            let streams = i64::try_from(*count).expect("few");
            (*count, (memory - before) * 1024 / streams)
        });
        each.filter(|(count, _)| *count >= LEAST)
            .collect::<Vec<_>>()
    };
    let goal = each(0).into_iter().map(|(count, _)| (count, GOAL * 1024));
    vec![Drawing::new(
        "streams",
        "Resident memory of an open stream (2 KB request)",
        ["open streams", "KiB a stream"],
        vec![
            line("bare pingora", each(0), 1024),
            line("witgate, everything on", each(1), 1024),
            line("the goal", goal, 1024),
        ],
    )]
}

/// Returns the numbers of streams that this machine lets a process hold. A proxy has two sockets for each.
fn counts() -> Vec<usize> {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let files = files
        .and_then(|limits| limits.split_whitespace().next()?.parse::<usize>().ok())
        .unwrap_or(usize::MAX);
    let most = files.saturating_sub(OTHER_FILES) / 2;
    let (mut counts, beyond): (Vec<_>, Vec<_>) = STREAMS.iter().partition(|count| **count <= most);
    if let Some(asked) = beyond.last() {
        // In round numbers.
        let held = most / 100 * 100;
        counts.extend(Some(held).filter(|held| counts.last() < Some(held)));
        println!(
            "{asked} streams need {} open files, and the limit is {files}, so that {held} are held at most; run \
             `ulimit -n {0}` before, as root if it refuses, or set `nofile` in /etc/security/limits.conf",
            asked * 2 + OTHER_FILES
        );
    }
    counts
}

/// Opens more and more streams. Returns the proxy's memory before, and with each number of them, in KiB.
fn held(proxy: &Proxy, counts: &[usize]) -> (i64, Vec<i64>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a thread");
    proxy.go_on();
    let exchange = WORK.exchange(&proxy.address.to_string(), &proxy.key);
    // All that comes before a stream stays, without what chunks add.
    let bytes = answers::events(4).iter().take(6).map(Vec::len).sum();
    LocalSet::new().block_on(&runtime, async {
        // What the first requests need stays.
        let mut connections = vec![open(proxy, &exchange.request, bytes).await];
        tokio::time::sleep(REST).await;
        let before = memory(proxy);
        let mut memories = Vec::new();
        for count in counts {
            while connections.len() <= *count {
                connections.push(open(proxy, &exchange.request, bytes).await);
            }
            tokio::time::sleep(REST).await;
            memories.push(memory(proxy));
        }
        (before, memories)
    })
}

async fn open(proxy: &Proxy, request: &[u8], bytes: usize) -> Connection {
    let mut connection = Connection::open(proxy.address).await;
    connection.begin(request, bytes).await;
    connection
}
