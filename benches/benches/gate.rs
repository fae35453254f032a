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
//! | latency | as A | as A, after a while | 200 requests a second over 1, 16 and 64 connections, beside a direct connection |
//! | delay | as D | as D, each event with the time of its writing | 50 and 500 streams, beside a direct connection |
//!
//! Every answer is compared with the upstream's, byte by byte. In a closed loop each connection asks again as soon as it has its
//! answer, so that a slow proxy gets fewer requests, and its latency says how long the queue is and not how long a caller waits. Where
//! there is a rate, latency counts from the moment at which a request was due, so that a slow answer does not hide the wait of those
//! behind it.
//!
//! Options: `--only A,latency`, `--rounds N`, `--seconds N` (of a turn), `--witgate PATH`. Instead of all that, `--profile A`
//! says which functions the gateway spends the time of a work in, with `--bytes N` for another body and `--connections N`; and
//! `--shapes plugins,body` or `--shapes all` measures how cost grows. `--draw` only draws once more what is there, and `--out FOLDER` takes
//! another folder than `docs/performance`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
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
#[path = "gate/clock.rs"]
mod clock;
#[path = "gate/gateway.rs"]
mod gateway;
#[path = "gate/latency.rs"]
mod latency;
#[path = "gate/load.rs"]
mod load;
#[path = "gate/machine.rs"]
mod machine;
#[path = "gate/options.rs"]
mod options;
#[path = "gate/others.rs"]
mod others;
#[path = "gate/profile.rs"]
mod profile;
#[path = "gate/proxies.rs"]
mod proxies;
#[path = "gate/report.rs"]
mod report;
#[path = "gate/server.rs"]
mod server;
#[path = "gate/shapes.rs"]
mod shapes;
#[path = "gate/upstream.rs"]
mod upstream;
#[path = "gate/usage.rs"]
mod usage;
#[path = "gate/work.rs"]
mod work;

use witgate_benches::is_measured;

use options::Options;
use proxies::Site;
use work::{WORKS, Work};

/// The gateway's allocator, for bare pingora too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let options = Options::of_this_process();
    match options.text("--serve") {
        Some("upstream") => upstream::serve(),
        Some("bare") => serve_bare(&options, bare::Runtime::Shared),
        Some("bare-no-stealing") => serve_bare(&options, bare::Runtime::Each),
        Some(role) => panic!("no process has the role {role}"),
        None if is_measured() => measure(&options),
        // Only tried.
        None => {}
    }
}

fn serve_bare(options: &Options, runtime: bare::Runtime) {
    let upstream = options.text("--upstream").expect("an address");
    let workers = options.number("--workers", server::WORKERS);
    bare::serve(upstream.parse().expect("an address"), workers, runtime);
}

/// Measures what is asked for and prints the tables.
fn measure(options: &Options) {
    if options.has("--draw") {
        return shapes::draw(options);
    }
    let (rounds, turn) = (options.number("--rounds", 3), options.seconds(4));
    let site = Site::new(options.text("--witgate"));
    println!("{}", machine::line());
    if let Some(name) = options.text("--profile") {
        let work = WORKS.iter().find(|work| work.name == name);
        let work = work.expect("a work of this name");
        let work = Work {
            request: options.number("--bytes", work.request),
            connections: options.number("--connections", work.connections),
            ..*work
        };
        profile::run(&site, &work, options.seconds(10));
        return;
    }
    if let Some(names) = options.text("--shapes") {
        return shapes::run(&site, names, options);
    }
    let works: Vec<_> = WORKS
        .iter()
        .filter(|work| options.wants(work.name))
        .collect();
    if !works.is_empty() {
        let proxies = site.all();
        println!(
            "medians of {rounds} rounds of {} s a proxy; {} workers each; ratios to {}",
            turn.as_secs(),
            server::WORKERS,
            proxies[0].name
        );
        for work in works {
            let all: Vec<_> = proxies.iter().collect();
            let turns = load::in_turns(&all, work, rounds, turn);
            report::print(work, &proxies, &turns);
        }
    }
    if options.wants("latency") {
        latency::requests(&site, rounds, turn);
    }
    if options.wants("delay") {
        latency::events(&site, rounds, turn);
    }
}
