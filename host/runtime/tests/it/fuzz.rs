//! Guests that nobody would write: made at random over the contract's hooks, or of real ones by random damage.
//!
//! Each goes through admission, and what is admitted is called in every hook. Whatever comes of it, the host does not
//! panic, every call ends within its deadline, and nothing is left behind: the plugin is gone, its instances are given
//! back, the process does not grow. `FUZZ_GUESTS` says how many (`make fuzz-guests` makes ten thousand), `FUZZ_SEED`
//! repeats a run, `FUZZ_FROM` starts it at a guest that a failure named. It runs in a process of its own.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "of random numbers any part will do"
)]

mod damage;
mod making;
mod random;
mod tally;

use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use witgate_runtime::{
    AdmissionCause, Charge, Lineup, Overrun, Plugin, PluginCharge, Reserve, Runtime,
    RuntimeOptions, Source, Unit, Window,
};

use crate::child::{self, median, number, resident};
use crate::guest::{Guest, PROBE};
use crate::request::{PATIENT, answering, call, plain, probing, route, source};
use random::Random;
use tally::Tally;

/// Instances that the engine has room for: a leaked one would soon be missed.
const INSTANCES: u32 = 8;
/// The maximum time of a call: ten deadlines of at most 20 ms, with an allowance for a busy machine.
const BOUND: Duration = Duration::from_millis(10 * 20 + 5_000);
/// The maximum growth of the process between its first third and its end, in KiB.
const SLACK: u64 = 32 * 1024;
/// A guest that takes this long hangs.
const HANG: Duration = Duration::from_secs(120);

static PANICS: AtomicU64 = AtomicU64::new(0);

#[test]
fn random_guests_cost_the_host_nothing() {
    match child::is_child() {
        true => fuzz(number("FUZZ_GUESTS").unwrap_or(300)),
        false => child::must_pass(
            concat!(module_path!(), "::random_guests_cost_the_host_nothing"),
            &[],
        ),
    }
}

fn fuzz(guests: u64) {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("FUZZ_SEED").unwrap_or(clock.as_secs());
    let from = number("FUZZ_FROM").unwrap_or(0);
    println!("fuzz: {guests} guests with FUZZ_SEED={seed}");
    count_panics();
    let runtime = Runtime::try_new(
        RuntimeOptions::default()
            .with_instances(INSTANCES)
            .with_memory_ceiling(64 << 20),
    )
    .expect("the engine starts");
    let current = watchdog(seed);

    let seeds = damage::Seeds::new();
    let (mut tally, mut memory) = (Tally::default(), Vec::new());
    let (begun, mut admitted) = (Instant::now(), Vec::new());
    for guest in from..from + guests {
        current.store(guest, Ordering::Relaxed);
        // Each guest is made of its own number, so that one can be made again without those before it.
        let mut random = Random::of(seed, guest);
        let source = match random.one_in(3) {
            true => seeds.damaged(&mut random),
            false => making::source(&mut random),
        };
        if let Some(plugin) = try_out(&runtime, &source, &mut tally, &mut random) {
            admitted.push(Arc::downgrade(&plugin));
        }
        memory.push(resident());
    }
    let took = begun.elapsed();
    let (third, window) = (memory.len() / 3, (memory.len() / 10).max(1));
    let first = median(&memory[third..third + window]);
    let last = median(&memory[memory.len() - window..]);
    println!(
        "{tally}{guests} guests in {took:?}; {} panics contained by admission\n\
         resident KiB: {} at the start, {first} after a third, {last} at the end",
        PANICS.load(Ordering::Relaxed),
        memory[0]
    );
    assert!(
        tally.slow.is_empty(),
        "calls over {BOUND:?}: {:?}",
        tally.slow
    );
    assert_eq!(
        PANICS.load(Ordering::Relaxed),
        tally.crashed,
        "every panic was a reader's, contained by admission"
    );
    let alive = admitted
        .iter()
        .filter(|it| Weak::strong_count(it) > 0)
        .count();
    assert_eq!(alive, 0, "no plugin is left");
    all_instances_are_free(&runtime);
    assert!(last <= first + SLACK, "it grew from {first} to {last} KiB");
}

/// Admits a guest, and calls each of its hooks as often as it takes to find it suspended.
fn try_out(
    runtime: &Runtime,
    source: &Source,
    tally: &mut Tally,
    random: &mut Random,
) -> Option<Arc<Plugin>> {
    let plugin = match runtime.admit(source) {
        Ok(plugin) => plugin,
        Err(error) => {
            tally.refused(&error.cause);
            return None;
        }
    };
    tally.admitted += 1;
    let lineup = Lineup::new(1, vec![Arc::clone(&plugin)], &[]);
    for _ in 0..3 {
        for hook in plugin.hooks().map(|hook| hook.to_string()) {
            let request = match random.one_in(2) {
                true => plain(),
                false => probing(),
            };
            let begun = Instant::now();
            let answer = call(&lineup, &hook, &request);
            tally.answered(&hook, &answer, begun.elapsed());
            if hook == "budget" {
                let charge = Charge {
                    account: "a".to_owned(),
                    window: Window::Total,
                    unit: Unit::Requests,
                    limit: 0,
                    amount: 1,
                    reserve: Reserve::Amount,
                    overrun: Overrun::Finish,
                };
                let charge = PluginCharge::new(Arc::clone(&plugin), charge);
                let begun = Instant::now();
                let answer = lineup.begin(request).exhausted(&charge, 1, None).map(drop);
                tally.answered("exhausted", &answer, begun.elapsed());
            }
        }
    }
    assert!(
        plugin.live_instances() <= 1,
        "at most an idle instance is left"
    );
    Some(plugin)
}

/// Makes as many calls at once as the engine has instances.
fn all_instances_are_free(runtime: &Runtime) {
    if !runtime.is_pooled() {
        println!("instances are made on demand: their number is not bounded here");
        return;
    }
    let honest = source(Guest::route(PROBE).build(), PATIENT);
    let plugin = runtime
        .admit(&honest)
        .unwrap_or_else(|error| panic!("an honest guest is admitted: {error}"));
    let all = Arc::new(Barrier::new(INSTANCES as usize));
    thread::scope(|threads| {
        for _ in 0..INSTANCES {
            let (all, plugin) = (Arc::clone(&all), &plugin);
            threads.spawn(move || {
                let met = answering(move |_| {
                    all.wait();
                    None
                });
                // Without the last instance, the others would wait for ever.
                let answer = route(plugin, &met);
                if let Err(stop) = answer {
                    eprintln!("an instance is missing: {stop:?}");
                    std::process::abort();
                }
            });
        }
    });
}

/// Counts panics, and shows the first one. Without its backtrace: reading the names of this program takes more memory than
/// all that is measured here.
fn count_panics() {
    panic::set_hook(Box::new(move |info| {
        if PANICS.fetch_add(1, Ordering::Relaxed) < 1 {
            eprintln!("{info}");
        }
    }));
}

/// Ends the process when a guest hangs. Gives where the number of the guest is to be noted.
fn watchdog(seed: u64) -> Arc<AtomicU64> {
    let current = Arc::new(AtomicU64::new(0));
    let noted = Arc::clone(&current);
    thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            thread::sleep(Duration::from_millis(500));
            let now = noted.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > HANG {
                eprintln!("guest {now} hangs: FUZZ_SEED={seed} FUZZ_FROM={now} FUZZ_GUESTS=1");
                std::process::abort();
            }
        }
    });
    current
}

/// Returns whether admission caught a panic.
fn is_crash(cause: &AdmissionCause) -> bool {
    matches!(cause, AdmissionCause::Crashed)
}
