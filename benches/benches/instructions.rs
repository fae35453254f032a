//! Instructions of the hot paths, counted by valgrind, beside the committed figures.
//!
//! A count is the same on a busy machine and on an idle one, so that a change that costs is seen where time would hide it. The
//! figures are in `instructions/figures.json`; a count that is above its figure by more than the tolerance fails the run, and one
//! that is below it is named. `UPDATE_EXPECT=1 make instructions` writes the counts as the new figures.
//!
//! Counts depend on the compiler and the architecture, and a little on the machine: functions that are chosen by the processor's
//! features (searching, copying, checksums) count otherwise without AVX2, other C libraries copy otherwise, and threads wake at other
//! times on more cores. The tolerances leave room for that. Valgrind shows programs no AVX-512 and no SHA instructions, so the chain of
//! receipts counts for more than it takes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints, and says by panicking that it can't go on"
)]

#[path = "instructions/callgrind.rs"]
mod callgrind;
#[path = "instructions/cases.rs"]
mod cases;
#[path = "exchange/codings.rs"]
mod codings;
#[path = "instructions/figures.rs"]
mod figures;
#[allow(
    dead_code,
    reason = "the bench needs one guest of those that the tests make"
)]
#[path = "../../host/runtime/tests/it/guest.rs"]
mod guest;
#[allow(dead_code, reason = "the name of a work is not printed")]
#[path = "exchange/load.rs"]
mod load;
#[allow(dead_code, reason = "bare pingora has no plugins to compare")]
#[path = "exchange/proxies.rs"]
mod proxies;
#[path = "exchange/upstream.rs"]
mod upstream;

use witgate_benches::is_measured;

use figures::Count;
use load::{Load, Work};
use proxies::{Kind, Proxy};
use upstream::Upstream;

/// The allocator of the gateway's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Exchanges before those that are counted.
const WARM_UP: u64 = 50;

/// Exchanges that are counted.
const EXCHANGES: u64 = 100;

/// Percent by which a count of a function may differ from its figure.
const TOLERANCE: u64 = 5;

/// Percent by which a count of exchanges may differ: threads wake at other times in each run.
const TOLERANCE_OF_EXCHANGES: u64 = 10;

/// The request of the exchanges.
const WORK: Work = Work {
    name: "2KB JSON",
    request: 2 * 1024,
    events: None,
    coding: "identity",
};

fn main() {
    if let Some(kind) = Kind::asked_for() {
        kind.serve();
    } else if let Some(name) = callgrind::asked_for() {
        let case = cases::ALL.iter().find(|case| case.name == name);
        callgrind::repeat((case.expect("a case of this name").prepare)());
    } else if is_measured() {
        callgrind::check_installed();
        let functions = cases::ALL.iter().map(|case| Count {
            name: case.name.to_owned(),
            instructions: callgrind::count(case.name),
            tolerance: TOLERANCE,
        });
        let counts: Vec<_> = functions.chain(exchanges()).collect();
        figures::compare(&counts);
    }
}

/// Counts an exchange through each kind of proxy, with all threads of its process.
fn exchanges() -> impl Iterator<Item = Count> {
    let upstream = Upstream::start();
    Kind::ALL.into_iter().map(move |kind| {
        let mut folder = callgrind::Folder::new();
        let proxy = Proxy::start_under(&folder.command(), kind, &upstream);
        let load = Load::open(proxy.address(), WORK, 1, proxy.key());
        load.run(WARM_UP);
        folder.begin(proxy.process());
        load.run(EXCHANGES);
        let instructions = folder.end(proxy.process()) / EXCHANGES;
        Count {
            name: format!("exchange, {}", kind.title()),
            instructions,
            tolerance: TOLERANCE_OF_EXCHANGES,
        }
    })
}
