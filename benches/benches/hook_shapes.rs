//! Where the time of a hook call goes: the same facts in many shapes, beside a call that carries nothing.
//!
//! All rows are measured in turns, so only compare rows of one run. Components in the folder that `HOOK_SHAPES_GUESTS`
//! names, built from the same WIT in other languages, get rows of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints, and says by panicking that it can't go on"
)]

#[path = "hook_shapes/host.rs"]
mod host;
#[path = "hook_shapes/rows.rs"]
mod rows;
#[path = "hook_shapes/values.rs"]
mod values;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use witgate_artifacts::{SHAPES, SHAPES_ARENA};
use witgate_benches::{in_turns, is_measured, median};

use host::{Guest, Strings};
use rows::{Row, Rows};

/// The allocator of the gateway's binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The length of a turn.
const TURN: Duration = Duration::from_micros(200);

const ROUNDS: usize = 400;

/// Measures all rows in turns, and prints them beside the first one.
fn print(title: &str, rows: impl IntoIterator<Item = Vec<Row>>) {
    let mut rows: Vec<Row> = rows.into_iter().flatten().collect();
    let repeats: Vec<u32> = rows.iter_mut().map(repeats).collect();
    let rounds = if is_measured() { ROUNDS } else { 1 };
    let seen = in_turns(rows.len(), rounds, |lane| {
        per_call(&mut rows[lane], repeats[lane])
    });
    println!("\n{title:58}      ns   to nop    over nop");
    for (lane, row) in rows.iter().enumerate() {
        let one = median(seen.iter().map(|times| times[lane]));
        let ratio = median(seen.iter().map(|times| times[lane] * 100 / times[0].max(1)));
        let over = median(seen.iter().map(|times| times[lane] - times[0]));
        let (whole, rest) = (ratio / 100, ratio % 100);
        println!("{:58} {one:>7}  {whole:>4}.{rest:02}  {over:>9}", row.name);
    }
}

/// Returns the number of calls that fill a turn.
fn repeats(row: &mut Row) -> u32 {
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < TURN * 10 {
        (row.call)();
        calls += 1;
    }
    (calls / 10).max(1)
}

fn per_call(row: &mut Row, times: u32) -> i64 {
    let begun = Instant::now();
    for _ in 0..times {
        (row.call)();
    }
    i64::try_from(begun.elapsed().as_nanos()).unwrap_or(i64::MAX) / i64::from(times)
}

fn main() {
    let engine = host::engine();
    let compile = |module: &[u8], strings| Guest::compile(&engine, module, strings);
    let copied = Rows::new(compile(SHAPES.bytes(), Strings::Copied));
    let lent = Rows::new(compile(SHAPES.bytes(), Strings::Lent));
    let arena = Rows::new(compile(SHAPES_ARENA.bytes(), Strings::Lent));

    let core = vec![rows::core(&engine)];
    print("engine", [copied.nop(), core, copied.fresh()]);
    print("engine, arena", [arena.nop(), arena.fresh()]);
    print("arguments", [copied.nop(), copied.arguments()]);
    print("arguments, arena", [arena.nop(), arena.arguments()]);
    print("getters, strings copied", [copied.nop(), copied.getters()]);
    print("getters, strings lent", [lent.nop(), lent.getters()]);
    print(
        "getters, strings lent, arena",
        [arena.nop(), arena.getters()],
    );
    print("contract 0.3", [lent.nop(), lent.chosen()]);
    print("contract 0.3, arena", [arena.nop(), arena.chosen()]);
    print(
        "results",
        [copied.nop(), copied.results(), copied.lean_results()],
    );
    print("results, arena", [arena.nop(), arena.results()]);
    print("receipts", [copied.nop(), copied.receipts()]);
    print("receipts, arena", [arena.nop(), arena.receipts()]);

    for guest in other_languages() {
        let bytes = std::fs::read(&guest).expect("it can be read");
        let other = Rows::new(compile(&bytes, Strings::Lent));
        let title = guest.display().to_string();
        print(
            &title,
            [
                other.nop(),
                other.arguments(),
                other.getters(),
                other.chosen(),
            ],
        );
    }
}

fn other_languages() -> Vec<PathBuf> {
    let Ok(folder) = std::env::var("HOOK_SHAPES_GUESTS") else {
        return Vec::new();
    };
    let files = std::fs::read_dir(folder).expect("HOOK_SHAPES_GUESTS is a folder");
    files
        .map(|file| file.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "wasm"))
        .collect()
}
