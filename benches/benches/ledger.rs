//! The cost of a reservation: one `reserve` and one `settle`, over 1 and over 4 accounts, alone and against a second
//! thread that does the same without pause. With a journal also from 1 to 16 threads.
//!
//! Baselines: an atomic addition and its taking back, which is the least that anything shared can cost, and the same
//! two changes of a `HashMap` behind a mutex, which is what one writes without windows, limits or holds.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use parking_lot::Mutex;
use tempfile::TempDir;
use witgate_journal::{Directory, Log, Options};
use witgate_ledger::{Amounts, Charge, Ledger, OnShortfall, Unit, UnixMillis, Window};

const NOW: UnixMillis = UnixMillis(1_795_225_386_000);
const OWNER: &str = "acme";
const TRUE: Amounts = Amounts {
    picousd: 900,
    tokens: 900,
    input_tokens: 500,
    output_tokens: 300,
    cached_tokens: 100,
    requests: 1,
};

/// An account in each window that a deployment would have.
fn charges(count: usize) -> Vec<Charge> {
    let all = [
        ("tenant:acme", Window::Month, Unit::PicoUsd),
        ("key:k-2a6d", Window::Day, Unit::PicoUsd),
        ("user:jane@acme.example", Window::Minute, Unit::Tokens),
        (
            "session:0f5b9a6e-58ab-4d5b-9f0c",
            Window::Total,
            Unit::InFlight,
        ),
    ];
    let charge = |(account, window, unit)| Charge {
        account: Arc::from(account),
        window,
        unit,
        limit: u64::MAX,
        amount: 1_000,
        shortfall: OnShortfall::Refuse,
    };
    all.into_iter().take(count).map(charge).collect()
}

fn request(ledger: &Arc<Ledger>, charges: &[Charge]) {
    if let Ok(hold) = ledger.reserve(black_box(charges.to_vec()), OWNER, NOW) {
        black_box(hold.settle(TRUE));
    }
}

fn add_and_take_back(map: &Mutex<HashMap<String, u64>>, account: &str) {
    for amount in [1_000_u64, 100_u64.wrapping_neg()] {
        let mut map = map.lock();
        if let Some(used) = map.get_mut(account) {
            *used = used.wrapping_add(black_box(amount));
        }
    }
}

/// Runs `measured` while `other` is repeated on a second thread.
fn beside(other: impl Fn() + Sync, measured: impl FnOnce()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                other();
            }
        });
        measured();
        stop.store(true, Ordering::Relaxed);
    });
}

fn reserve_and_settle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");

    let atomic = AtomicU64::new(0);
    group.bench_function("baseline/atomic", |bencher| {
        bencher.iter(|| {
            atomic.fetch_add(black_box(1_000), Ordering::Relaxed);
            atomic.fetch_sub(black_box(100), Ordering::Relaxed)
        });
    });

    let map = Mutex::new(HashMap::from([("tenant:acme".to_owned(), 0_u64)]));
    group.bench_function("baseline/mutexed-map", |bencher| {
        bencher.iter(|| add_and_take_back(&map, "tenant:acme"));
    });
    let add = || add_and_take_back(&map, "tenant:acme");
    beside(add, || {
        group.bench_function("baseline/mutexed-map/2-threads", |bencher| {
            bencher.iter(add);
        });
    });

    for count in [1, 4] {
        let charges = charges(count);
        group.bench_function(format!("baseline/clone-of-{count}-charges"), |bencher| {
            bencher.iter(|| black_box(charges.to_vec()));
        });
        let ledger = Ledger::new();
        group.bench_function(format!("{count}-accounts"), |bencher| {
            bencher.iter(|| request(&ledger, &charges));
        });
        beside(
            || request(&ledger, &charges),
            || {
                group.bench_function(format!("{count}-accounts/2-threads"), |bencher| {
                    bencher.iter(|| request(&ledger, &charges));
                });
            },
        );
    }

    // A window that slides, full of buckets.
    let sliding = Charge {
        window: Window::parse("last-5-hours").unwrap_or(Window::Hour),
        ..charges(1).remove(0)
    };
    let sliding = std::slice::from_ref(&sliding);
    let ledger = Ledger::new();
    for before in (0..21).rev() {
        let at = UnixMillis(NOW.0 - before * 15 * 60_000);
        if let Ok(hold) = ledger.reserve(sliding.to_vec(), OWNER, at) {
            hold.settle(TRUE);
        }
    }
    group.bench_function("1-account/sliding", |bencher| {
        bencher.iter(|| request(&ledger, sliding));
    });

    // A crowd of accounts, so that neither the index nor the balances stay in the nearest cache.
    let ledger = Ledger::new();
    let crowd: Vec<_> = (0..100_000)
        .map(|number| Charge {
            account: format!("session:{number}").into(),
            ..charges(1).remove(0)
        })
        .collect();
    crowd
        .iter()
        .for_each(|charge| request(&ledger, std::slice::from_ref(charge)));
    let mut turn = crowd.iter().cycle();
    group.bench_function("1-account-of-100000", |bencher| {
        bencher.iter(|| {
            turn.next()
                .map(|charge| request(&ledger, std::slice::from_ref(charge)))
        });
    });
    group.finish();
}

/// A request on a ledger that is kept on disk: its hold and its use are written before the next step, its settlement by the
/// journal's thread.
fn kept_request(ledger: &Arc<Ledger>, log: &Log, charges: &[Charge]) {
    let name = "req_wg0123456789abcdef0123456789abcdef";
    if let Ok(mut hold) = ledger.reserve_as(name, black_box(charges.to_vec()), OWNER, NOW) {
        let _ = black_box(log.write());
        let _ = black_box(hold.extend(TRUE));
        let _ = black_box(log.write());
        black_box(hold.settle(TRUE));
    }
}

/// Returns a folder, and a ledger with its journal in it. Returns `None` if the disk refuses.
fn kept_ledger() -> Option<(TempDir, Arc<Ledger>, Log)> {
    let folder = tempfile::tempdir().ok()?;
    let directory = Directory::lock(folder.path(), Duration::ZERO).ok()??;
    let ledger = Ledger::new();
    let options = Options::with_clock(|| NOW);
    let log = Log::begin(&ledger, Box::new(directory), 0, options).ok()?;
    Some((folder, ledger, log))
}

/// Reservations with their journal, over 4 accounts: written twice each, and not at all, which is what the encoding costs.
fn journalled(criterion: &mut Criterion) {
    let Some((_folder, ledger, log)) = kept_ledger() else {
        return;
    };
    let mut group = criterion.benchmark_group("ledger");
    let charges = charges(4);
    group.bench_function("4-accounts/journal/buffered", |bencher| {
        bencher.iter(|| request(&ledger, &charges));
    });
    group.bench_function("4-accounts/journal/written-twice", |bencher| {
        bencher.iter(|| kept_request(&ledger, &log, &charges));
    });
    group.finish();
}

/// The time that each of these numbers of threads takes for a request on a kept ledger, all of them at once: `iter_custom` divides it
/// by the requests of one thread.
fn threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger");
    let charges = charges(4);
    for count in [1, 2, 4, 8, 16] {
        let Some((_folder, ledger, log)) = kept_ledger() else {
            return;
        };
        group.bench_function(format!("4-accounts/journal/{count}-threads"), |bencher| {
            bencher.iter_custom(|requests| {
                at_once(count, || {
                    for _ in 0..requests {
                        kept_request(&ledger, &log, &charges);
                    }
                })
            });
        });
    }
    group.finish();
}

/// Runs the same work on several threads, and returns the time from its beginning to the end of the last one.
fn at_once(threads: usize, work: impl Fn() + Sync) -> Duration {
    let start = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    work();
                })
            })
            .collect();
        start.wait();
        let begun = Instant::now();
        for thread in running {
            let _ = thread.join();
        }
        begun.elapsed()
    })
}

criterion_group!(benches, reserve_and_settle, journalled, threads);
criterion_main!(benches);
