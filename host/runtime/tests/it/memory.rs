//! The `kv` entries of plugins, across instances, threads and reloads.

use std::sync::Arc;
use std::thread;

use witgate_runtime::{PluginState, Source};

use crate::folder::{Folder, only, status};
use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, granting, plain, route, runtime};

/// Adds one to `x-probe` in each call, and plans where the sum is `plans_at`.
fn counting(plans_at: u32) -> Guest {
    Guest::route(&format!(
        "(call $kv_increment (i32.const 16) (i32.const 7) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 3072))
         (if (i64.eq (i64.load (i32.const 3080)) (i64.const {plans_at})) (then {PLAN}))"
    ))
}

#[test]
fn fresh_instances_and_threads_share_what_they_remember() {
    let source = Source::new("memory-threads", counting(41).build())
        .with_sidecar(granting(&format!("instances = \"fresh\"\n{PATIENT}")));
    let plugin = runtime()
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    // The smoke test has counted for itself; four threads make forty.
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for _ in 0..10 {
                    assert!(
                        route(&plugin, &plain()).expect("it serves").is_none(),
                        "not yet"
                    );
                }
            });
        }
    });
    assert!(
        route(&plugin, &plain()).expect("it serves").is_some(),
        "every call was counted once"
    );
    assert_eq!(plugin.kv_usage(), (1, 9), "one entry: `x-probe` and `41`");
}

#[test]
fn what_is_remembered_outlives_a_reload_and_is_the_plugins_own() {
    let folder = Folder::new();
    for name in ["memory-reload", "memory-other"] {
        folder.rename_in(&format!("{name}.toml"), granting(PATIENT).as_bytes());
    }
    folder.rename_in("memory-reload.wasm", &counting(1_000).build());
    let policies = folder.open();
    let first = policies.current();
    let plan = first.begin(plain()).route(&Arc::default(), None);
    assert!(plan.expect("it serves").is_none(), "its first call");
    // Another plugin under the same name, whose first call is the second on the same memory.
    folder.rename_in("memory-reload.wasm", &counting(2).build());
    let lineup = policies.reload_now().expect("it is read");
    let plan = lineup.begin(plain()).route(&Arc::default(), None);
    assert!(plan.expect("it serves").is_some(), "{:?}", only(&lineup));

    folder.rename_in("memory-other.wasm", &counting(3).build());
    policies.reload_now().expect("it is read");
    assert_eq!(
        status(&policies, "memory-other").kv_usage,
        (0, 0),
        "a memory of its own, with nothing in it"
    );
}

#[test]
fn a_smoke_test_leaves_nothing_behind_whether_the_plugin_is_admitted_or_not() {
    let count = "(call $kv_increment (i32.const 16) (i32.const 7) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 3072))
        (call $count (i32.const 16) (i32.const 7) (i64.const 1))
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))";
    let first = format!("{count} (if (i32.eq (global.get $calls) (i32.const 1)) (then {PLAN}))");
    let good = Guest::route(&first).build();
    let bad = Guest::route(&format!("{count} unreachable")).build();
    let folder = Folder::new();
    folder.rename_in("memory-trial.toml", granting(PATIENT).as_bytes());
    folder.rename_in("memory-trial.wasm", &good);
    let policies = folder.open();
    for reload in [&bad, &good, &bad] {
        folder.rename_in("memory-trial.wasm", reload);
        policies.reload_now().expect("it is read");
    }
    let status = status(&policies, "memory-trial");
    assert_eq!(
        status.state,
        PluginState::LastGood,
        "the last one is refused"
    );
    assert_eq!(status.kv_usage, (0, 0), "nothing is remembered");
    assert!(
        status.metrics.custom.is_empty(),
        "nothing is counted: {:?}",
        status.metrics.custom
    );
    let lineup = policies.current();
    let plan = lineup.begin(plain()).route(&Arc::default(), None);
    assert!(
        plan.expect("it serves").is_some(),
        "a request is the first that its instance sees"
    );
}

#[test]
fn what_it_may_remember_is_limited() {
    let set = "(call $kv_set (i32.const 16) (i32.const 7) (i32.const 0) (i32.const 100)
                 (i32.const 0) (i64.const 0) (i32.const 3072))
               (if (i32.eqz (i32.load8_u (i32.const 3072))) (then PLAN))";
    let guest = Guest::route(&set.replace("PLAN", PLAN));
    for (limit, fits) in [
        ("kv_entry_bytes = 107", true),
        ("kv_entry_bytes = 106", false),
        ("kv_bytes = 107", true),
        ("kv_bytes = 106", false),
    ] {
        let source = Source::new(format!("memory-{limit}"), guest.build())
            .with_sidecar(granting(&format!("{PATIENT}{limit}")));
        let plugin = runtime()
            .admit(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        let plan = route(&plugin, &plain()).expect("an error of `kv` is no fault");
        assert_eq!(plan.is_some(), fits, "107 bytes with `{limit}`");
    }
}

#[test]
fn entries_are_limited() {
    // Two keys, and a plan where both could be written.
    let set = |key: &str| {
        format!(
            "(call $kv_set (i32.const {key}) (i32.const 7) (i32.const 0) (i32.const 1)
               (i32.const 0) (i64.const 0) (i32.const 3072))
             (local.set $i (i32.add (local.get $i) (i32.load8_u (i32.const 3072))))"
        )
    };
    let both = format!(
        "{}{} (if (i32.eqz (local.get $i)) (then {PLAN}))",
        set("16"),
        set("32")
    );
    let guest = Guest::route(&both);
    for (limit, fits) in [("kv_entries = 2", true), ("kv_entries = 1", false)] {
        let source = Source::new(format!("memory-{limit}"), guest.build())
            .with_sidecar(granting(&format!("{PATIENT}{limit}")));
        let plugin = runtime()
            .admit(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        let plan = route(&plugin, &plain()).expect("an error of `kv` is no fault");
        assert_eq!(plan.is_some(), fits, "two entries with `{limit}`");
    }
}
