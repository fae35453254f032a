//! The gateway as an operator sees it in `top`: processor time of the whole process for a request, beside bare pingora, and beside
//! nginx and Envoy where they are installed.
//!
//! Every proxy, the upstream and the load are processes of their own. The proxies have two workers each and take their turns, while
//! the others are stopped. `make bench-gate` builds everything with the settings that ship, and runs this.
//!
//! | work | request | answer | load |
//! |---|---|---|---|
//! | A | 2 KB | 1 KB of JSON | 32 connections, closed loop |
//! | B | 200 KB, with escapes and text beyond ASCII | 1 KB of JSON | 16 connections, closed loop |
//! | C | 2 KB | 100 deltas, each flushed | 32 connections, closed loop |
//! | D | 2 KB | 50 deltas, one every 20 ms | 500 streams at once, counted by event |
//! | L | as A | as A | 100 requests a second over 64 connections |
//!
//! Every answer is compared with the upstream's, byte by byte. Latency counts from the moment at which a request was due, so
//! that a slow answer in L does not hide the wait of those behind it.
//!
//! Options: `--only A,C`, `--rounds N`, `--seconds N` (of a turn), `--witgate PATH`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints, and says by panicking that it can't go on"
)]

#[path = "gate/answers.rs"]
mod answers;
#[path = "gate/bare.rs"]
mod bare;
#[path = "gate/client.rs"]
mod client;
#[path = "gate/load.rs"]
mod load;
#[path = "gate/proxies.rs"]
mod proxies;
#[path = "gate/report.rs"]
mod report;
#[path = "gate/server.rs"]
mod server;
#[path = "gate/upstream.rs"]
mod upstream;
#[path = "gate/usage.rs"]
mod usage;
#[path = "gate/work.rs"]
mod work;

use std::time::Duration;

use witgate_benches::is_measured;

use load::Turn;
use proxies::Proxy;
use work::{WORKS, Work};

/// The gateway's allocator, for bare pingora too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    match (option("--serve"), option("--upstream")) {
        (Some("upstream"), _) => upstream::serve(),
        (Some("bare"), Some(upstream)) => bare::serve(upstream.parse().expect("an address")),
        _ if is_measured() => {
            let number = |name: &str, usual: u64| {
                option(name).map_or(usual, |text| text.parse().expect("a number"))
            };
            let wanted = |work: &&Work| {
                option("--only").is_none_or(|names| names.split(',').any(|name| name == work.name))
            };
            measure(
                &WORKS.iter().filter(wanted).collect::<Vec<_>>(),
                number("--rounds", 3),
                Duration::from_secs(number("--seconds", 4)),
                option("--witgate"),
            );
        }
        // Only tried.
        _ => {}
    }
}

/// Measures all works and prints a table of each.
fn measure(works: &[&Work], rounds: u64, turn: Duration, witgate: Option<&str>) {
    let upstream = server::Server::own(&["--serve", "upstream"]);
    let proxies = proxies::all(&upstream, witgate);
    println!(
        "medians of {rounds} rounds of {} s a proxy; two workers each; ratios to {}",
        turn.as_secs(),
        proxies[0].name
    );
    proxies.iter().for_each(Proxy::stop);
    for work in works {
        let mut turns: Vec<Vec<Turn>> = proxies.iter().map(|_| Vec::new()).collect();
        for round in 0..usize::try_from(rounds).expect("few") {
            for place in 0..proxies.len() {
                let index = (place + round) % proxies.len();
                proxies[index].go_on();
                turns[index].push(load::run(&proxies[index], work, turn));
                proxies[index].stop();
            }
        }
        report::print(work, &proxies, &turns);
    }
}
