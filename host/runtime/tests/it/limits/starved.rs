//! The deadline on a machine that has four times as much to do as it can.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use witgate_runtime::FaultKind;

use crate::guest::{BASE, Guest};
use crate::request::{admit, alone, call, plain};

const DEADLINE: Duration = Duration::from_millis(20);
/// The bound in `docs/sidecar.md`: ten deadlines, and two seconds for a busy system.
const BOUND: Duration = Duration::from_millis(10 * 20 + 2_000);

#[test]
fn an_endless_loop_ends_in_every_hook_however_busy_the_machine_is() {
    let plugins: Vec<_> = ["envelope", "guard", "route", "budget", "audit"]
        .into_iter()
        .map(|hook| {
            // The first call is the smoke test: it passes.
            let body = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                (if (i32.gt_u (global.get $calls) (i32.const 1)) (then (loop $l (br $l))))";
            let limit = format!("[limits]\ndeadline_ms = {}", DEADLINE.as_millis());
            (hook, admit(&Guest::hook(hook, body, BASE), &limit))
        })
        .collect();
    for (hook, plugin) in &plugins {
        let first = call(&alone(plugin), hook, &plain());
        assert!(
            first.is_ok(),
            "the first call of an instance passes: {first:?}"
        );
    }
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        for _ in 0..4 * cores {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for (hook, plugin) in &plugins {
            let begun = Instant::now();
            let answer = call(&alone(plugin), hook, &plain());
            let took = begun.elapsed();
            // Nobody waits for the spinning threads if this is not as it should be.
            let ended = answer.map_err(|fault| fault.kind);
            if ended != Err(FaultKind::Deadline) || took < DEADLINE / 2 || took > BOUND {
                done.store(true, Ordering::Relaxed);
                panic!("{hook} ended after {took:?} as {ended:?}; the bound is {BOUND:?}");
            }
            println!("{hook}: {took:?} with {} spinning threads", 4 * cores);
        }
        done.store(true, Ordering::Relaxed);
    });
}
