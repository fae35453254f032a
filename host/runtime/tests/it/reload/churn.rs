//! Reloads under load, for as long as it takes to see what leaks.
//!
//! Plugins get other bytes and other settings in turn while callers ask all four hooks without a pause. At the end no
//! call has failed, every replaced plugin is gone, and the process has not grown. `RELOADS` says how many (a few unless
//! told otherwise; `make soak-reload` does a thousand). It runs in a process of its own, whose memory is nobody else's.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use witgate_runtime::{Plugin, Policies, Runtime, RuntimeOptions};

use crate::child::{self, median, number, resident};
use crate::folder::{Folder, next_lineup, open_with};
use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, call, granting, plain};

/// Callers, each with one call at a time.
const CALLERS: usize = 3;
/// The maximum growth of the process between its warm-up and its end, in KiB: more than an allocator's noise, and less
/// than a hundredth of what a thousand plugins take.
const SLACK: u64 = 16 * 1024;
const HOOKS: [&str; 4] = ["envelope", "route", "budget", "audit"];

/// A plugin of one hook that uses 256 KiB of its memory in each call, as a plugin with a parser in it does.
fn guest(hook: &'static str, version: u64) -> Vec<u8> {
    let touch = "(memory.fill (i32.const 65536) (i32.const 7) (i32.const 262144))";
    let answer = match hook {
        "route" => PLAN,
        _ => "",
    };
    Guest::new()
        .with(hook, &format!("{touch} {answer}"))
        .pages(8)
        .extra(&format!("(data (i32.const 128) \"{version}\")"))
        .build()
}

#[test]
fn reloads_under_load_fail_no_request_and_do_not_grow() {
    match child::is_child() {
        true => churn(number("RELOADS").unwrap_or(40)),
        false => child::must_pass(
            concat!(
                module_path!(),
                "::reloads_under_load_fail_no_request_and_do_not_grow"
            ),
            &[],
        ),
    }
}

fn churn(reloads: u64) {
    let (folder, cache) = (Folder::new(), Folder::new());
    let runtime = Runtime::try_new(RuntimeOptions::default().with_cache(Some(cache.path("code"))))
        .expect("the engine starts");
    for hook in HOOKS {
        folder.rename_in(&format!("{hook}.toml"), granting(PATIENT).as_bytes());
        folder.rename_in(&format!("{hook}.wasm"), &guest(hook, 0));
    }
    let policies = open_with(folder.dir.path(), runtime.clone());
    policies.watch().unwrap();

    let (begun, done, asked) = (Instant::now(), AtomicBool::new(false), AtomicU64::new(0));
    let (replaced, memory) = thread::scope(|threads| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| threads.spawn(|| ask_until(&policies, &done, &asked)))
            .collect();
        let changed = change(&folder, &policies, reloads);
        done.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().expect("no call failed");
        }
        changed
    });

    let serving = policies.current();
    let alive = replaced
        .iter()
        .filter(|old| old.upgrade().is_some())
        .count();
    let warm = memory.len() / 3;
    let window = (memory.len() / 10).max(3);
    let first = median(&memory[warm..warm + window]);
    let last = median(&memory[memory.len() - window..]);
    println!(
        "{reloads} reloads in {:?}, {} calls without a fault, {} compilations, {alive} replaced plugins alive\n\
         resident KiB: {} at the start, {first} after {warm} reloads, {last} at the end",
        begun.elapsed(),
        asked.load(Ordering::Relaxed),
        runtime.compilations(),
        memory[0],
    );
    assert_eq!(serving.plugins().len(), HOOKS.len(), "all serve");
    assert_eq!(alive, 0, "of the replaced plugins none is left");
    assert!(
        runtime.compilations() >= reloads / 2,
        "half of the changes were code"
    );
    assert!(last <= first + SLACK, "it grew from {first} to {last} KiB");
}

/// Changes one file at a time and waits until it serves. Gives what was replaced, and the memory in use after each.
fn change(folder: &Folder, policies: &Policies, reloads: u64) -> (Vec<Weak<Plugin>>, Vec<u64>) {
    let (mut replaced, mut memory) = (Vec::new(), Vec::new());
    for number in 0..reloads {
        let before = policies.current();
        let hook = HOOKS[usize::try_from(number / 2 % 4).unwrap()];
        replaced.push(std::sync::Arc::downgrade(before.plugin(hook).unwrap()));
        match number % 2 {
            0 => folder.rename_in(&format!("{hook}.wasm"), &guest(hook, number + 1)),
            _ => {
                let settings = format!("{}[settings]\nnumber = {number}\n", granting(PATIENT));
                folder.rename_in(&format!("{hook}.toml"), settings.as_bytes());
            }
        }
        let generation = before.generation();
        drop(before);
        let after = next_lineup(policies, generation);
        assert_eq!(after.generation(), generation + 1, "one change, one lineup");
        memory.push(resident());
    }
    (replaced, memory)
}

/// Calls all hooks of whatever serves until it is over.
fn ask_until(policies: &Policies, done: &AtomicBool, asked: &AtomicU64) {
    while !done.load(Ordering::Relaxed) {
        let lineup = policies.current();
        for hook in HOOKS {
            let answer = call(&lineup, hook, &plain());
            assert!(answer.is_ok(), "{hook} answers: {answer:?}");
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
}
