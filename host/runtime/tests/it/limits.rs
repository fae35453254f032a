//! Each limit, obeyed to the last unit and violated by one.

mod hooks;
mod returned;
mod starved;
mod words;

use std::sync::Arc;

use parking_lot::Mutex;
use witgate_runtime::{
    AdmissionCause, Allocation, CustomMetric, FaultKind, Runtime, RuntimeOptions,
};

use crate::guest::{Guest, PROBE, VERSIONS, on_probe};
use crate::request::{
    PATIENT, admit, alone, answering, call, plain, probing, route, route_fault, runtime, source,
};

/// A guest that does `body` when probed, under a limit that it keeps and under one that it breaks. Of each version.
fn pair(body: &str, obeyed: &str, violated: &str) -> FaultKind {
    let [older, newest] = VERSIONS.map(|version| {
        let guest = Guest::route(&on_probe(body)).version(version);
        let plugin = admit(&guest, &format!("{PATIENT}{obeyed}"));
        let answer = route(&plugin, &probing());
        assert!(
            answer.is_ok(),
            "{version}: `{obeyed}` is enough: {answer:?}"
        );
        let plugin = admit(&guest, &format!("{PATIENT}{violated}"));
        let fault = route_fault(&plugin, &probing());
        assert!(route(&plugin, &plain()).is_ok(), "the next call is well");
        fault.kind
    });
    assert_eq!(older, newest, "each version has the same limits");
    newest
}

fn refused(guest: &Guest, sidecar: &str) -> AdmissionCause {
    let source = source(guest.build(), sidecar);
    runtime()
        .admit(&source)
        .expect_err("it isn't admitted")
        .cause
}

#[test]
fn memory_beyond_the_limit_is_refused() {
    let grow = "(if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))";
    // 32 pages more than the two of the start.
    let kind = pair(grow, "memory_bytes = 2228224", "memory_bytes = 2228223");
    assert_eq!(kind, FaultKind::Memory, "a byte less than 34 pages");
}

#[test]
fn memory_at_the_start_is_limited_too() {
    let guest = Guest::route("").pages(32);
    admit(&guest, "[limits]\nmemory_mib = 2");
    match refused(&guest, "[limits]\nmemory_mib = 1") {
        cause @ AdmissionCause::OverLimit { .. } => assert_eq!(
            cause.to_string(),
            "it starts with 2 MiB of memory, and its limit is 1 MiB; raise `memory_bytes` in [limits] of the sidecar, or build it with a smaller initial memory",
            "how much it wants, what it may have, and the cure"
        ),
        other => panic!("a memory over the limit was expected, not {other}"),
    }
}

#[test]
fn memory_that_no_sidecar_can_grant_is_told_as_that_and_not_as_a_damaged_file() {
    let four_gib = Guest::route("").pages(65_536);
    let text = refused(&four_gib, "").to_string();
    assert_eq!(
        text,
        "it starts with 4 GiB of memory, and this host allows a plugin at most 256 MiB; build it with a smaller initial memory",
        "the cure is not one of a half-copied file"
    );
    let two = Guest::route("").extra("(table 100000 funcref)");
    let text = refused(&two, "").to_string();
    assert!(
        text.starts_with("it needs more than this host allows any plugin")
            && !text.contains("rename it"),
        "tables are told in the same way: {text}"
    );
}

#[test]
fn a_sidecar_that_promises_more_than_the_host_has_is_told_so_with_its_line() {
    let sidecar = "[limits]\nmemory_mib = 512\ntable_elements = 30000\n";
    let text = refused(&Guest::route(""), sidecar).to_string();
    for told in [
        "probe.toml:2: `limits.memory_mib`: this host allows a plugin at most 268435456",
        "probe.toml:3: `limits.table_elements`: this host allows a plugin at most 20000",
    ] {
        assert!(text.contains(told), "{told:?} is told in {text}");
    }
}

/// The smallest limit that a guest with 500 elements is admitted with, which has the few that link its imports.
fn least(guest: &Guest, sidecar: &str) -> u32 {
    let bytes = guest.build();
    let fits = |elements: &u32| {
        let sidecar = format!("{sidecar}table_elements = {elements}");
        runtime().admit(&source(bytes.clone(), &sidecar)).is_ok()
    };
    (500..540).find(fits).expect("500 and a few")
}

#[test]
fn tables_beyond_the_limit_are_refused() {
    let guest = Guest::route("").extra("(table 500 funcref)");
    let least = least(&guest, PATIENT);
    let limit = format!("[limits]\ntable_elements = {}", least - 1);
    match refused(&guest, &limit) {
        AdmissionCause::Start(fault) => assert_eq!(fault.kind, FaultKind::Memory, "{fault}"),
        other => panic!("a fault at the start was expected, not {other}"),
    }

    let grow = "(if (i32.eq (table.grow $t (ref.null func) (i32.const 7)) (i32.const -1))
        (then unreachable))";
    let guest = Guest::route(&on_probe(grow)).extra("(table $t 500 funcref)");
    let (enough, short) = (least + 7, least + 6);
    let plugin = admit(&guest, &format!("{PATIENT}table_elements = {enough}"));
    assert!(route(&plugin, &probing()).is_ok(), "it grows to its limit");
    let plugin = admit(&guest, &format!("{PATIENT}table_elements = {short}"));
    let fault = route_fault(&plugin, &probing());
    assert_eq!(fault.kind, FaultKind::Memory, "one element more: {fault}");
    assert!(route(&plugin, &plain()).is_ok(), "the next call is well");
}

#[test]
fn elements_are_counted_over_all_tables_of_an_instance() {
    // The pool has room for one table a module, so this is about instances that are made on demand.
    let runtime = Runtime::try_new(RuntimeOptions::default().with_allocation(Allocation::OnDemand))
        .expect("the engine starts");
    let guest = Guest::route("").extra("(table 300 funcref) (table 300 funcref)");
    let admitted = |elements: u32| {
        let sidecar = format!("{PATIENT}table_elements = {elements}");
        runtime.admit(&source(guest.build(), &sidecar)).is_ok()
    };
    assert!(admitted(650), "both fit");
    assert!(!admitted(599), "each of them would fit");
}

#[test]
fn core_instances_beyond_the_limit_are_refused() {
    // The module, and the two that make a component of it.
    for version in VERSIONS {
        let guest = Guest::route("").version(version);
        admit(&guest, "[limits]\ncore_instances = 3");
        match refused(&guest, "[limits]\ncore_instances = 2") {
            AdmissionCause::Start(fault) => assert_eq!(fault.kind, FaultKind::Memory, "{fault}"),
            other => panic!("a fault at the start was expected, not {other}"),
        }
    }
}

#[test]
fn calls_to_the_host_are_limited() {
    let forty = "(loop $l (drop (call $unix_ms))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 40))))";
    // The probe is a call as well.
    let kind = pair(forty, "host_calls = 41", "host_calls = 40");
    assert_eq!(kind, FaultKind::HostCalls, "41 calls");
}

#[test]
fn bytes_of_the_body_are_limited() {
    let read = "(call $body_read (local.get $h) (i64.const 0) (i32.const 5000) (i32.const 3072))";
    let kind = pair(read, "body_bytes = 5000", "body_bytes = 4999");
    assert_eq!(kind, FaultKind::CopyLimit, "5,000 bytes");
}

#[test]
fn bytes_copied_are_counted_over_the_whole_call() {
    let read = "(call $body_read (local.get $h) (i64.const 0) (i32.const 3000) (i32.const 3072))";
    let kind = pair(&read.repeat(2), "copy_bytes = 6010", "copy_bytes = 6009");
    // The header is copied as well: its name of seven letters there, its value of three back.
    assert_eq!(kind, FaultKind::CopyLimit, "twice 3,000 bytes");
}

#[test]
fn instances_are_limited() {
    // While one instance is in its call, another call comes.
    let second = |sidecar: &str| {
        let plugin = admit(&Guest::route(PROBE), sidecar);
        let kind = Arc::new(Mutex::new(None));
        let (inner, seen) = (Arc::clone(&plugin), Arc::clone(&kind));
        let request = answering(move |_| {
            *seen.lock() = Some(call(&alone(&inner), "route", &plain()));
            None
        });
        assert!(route(&plugin, &request).is_ok(), "the first call goes well");
        assert_eq!(plugin.suspended(), None, "and nobody is to blame");
        let second = kind.lock().take().expect("a second call");
        second.map_err(|fault| fault.kind)
    };
    assert_eq!(
        second(&format!("{PATIENT}live_instances = 2")),
        Ok(()),
        "two at a time"
    );
    assert_eq!(
        second(&format!("{PATIENT}live_instances = 1")),
        Err(FaultKind::Exhausted),
        "one at a time"
    );
}

#[test]
fn time_to_get_ready_is_limited() {
    let spin = "(loop $l (br_if $l (i32.lt_u
        (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))";
    admit(&Guest::route("").with("lifecycle", spin), PATIENT);
    let guest = Guest::route("").with("lifecycle", "(loop $l (br $l))");
    match refused(&guest, "[limits]\nconfigure_ms = 20") {
        AdmissionCause::Start(fault) => assert_eq!(fault.kind, FaultKind::Deadline, "{fault}"),
        other => panic!("a fault at the start was expected, not {other}"),
    }
}

#[test]
fn log_lines_over_the_limit_are_dropped_and_counted() {
    let five = "(call $log (i32.const 2) (i32.const 32) (i32.const 17))".repeat(5);
    let guest = Guest::route(&on_probe(&five));
    let roomy = admit(&guest, &format!("{PATIENT}log_lines = 5"));
    assert!(route(&roomy, &probing()).is_ok(), "five lines");
    assert_eq!(roomy.metrics().log_lines_dropped, 0, "all were written");

    // At the turn of a second the limit holds anew: then nothing is dropped, and it is done again.
    let dropped = || {
        let narrow = admit(&guest, &format!("{PATIENT}log_lines = 4"));
        assert!(
            route(&narrow, &probing()).is_ok(),
            "a dropped line is no fault"
        );
        narrow.metrics().log_lines_dropped
    };
    let dropped = std::iter::repeat_with(dropped).find(|lines| *lines > 0);
    assert_eq!(dropped, Some(1), "one of five");
}

#[test]
fn metric_names_are_limited() {
    let count = |at: &str| format!("(call $count (i32.const {at}) (i32.const 6) (i64.const 7))");
    let guest = Guest::route(&on_probe(&(count("32") + &count("64"))));
    let roomy = admit(&guest, &format!("{PATIENT}metric_names = 2"));
    assert!(route(&roomy, &probing()).is_ok(), "two names");
    let figures = roomy.metrics();
    assert_eq!(
        figures.custom.get("it was"),
        Some(&CustomMetric::Counter(7)),
        "counted"
    );
    assert_eq!(
        (figures.custom.len(), figures.metrics_dropped),
        (2, 0),
        "both"
    );

    let narrow = admit(&guest, &format!("{PATIENT}metric_names = 1"));
    assert!(
        route(&narrow, &probing()).is_ok(),
        "a dropped name is no fault"
    );
    let figures = narrow.metrics();
    assert_eq!(
        (figures.custom.len(), figures.metrics_dropped),
        (1, 1),
        "one of two"
    );
}

#[test]
fn metrics_are_not_at_hand_while_an_instance_gets_ready() {
    let count = "(call $count (i32.const 32) (i32.const 6) (i64.const 1))";
    let settings = "(call $settings (i32.const 3072))";
    for version in VERSIONS {
        let configured = |body| Guest::route("").with("lifecycle", body).version(version);
        admit(&configured(settings), PATIENT);
        match refused(&configured(count), PATIENT) {
            AdmissionCause::Start(fault) => {
                assert_eq!(fault.kind, FaultKind::Contract, "{fault}");
                assert!(
                    fault.to_string().contains("`metrics`"),
                    "it is named: {fault}"
                );
            }
            other => panic!("a fault at the start was expected, not {other}"),
        }
    }
}

#[test]
fn counters_start_anew_with_each_call() {
    for version in VERSIONS {
        let guest = Guest::route(PROBE).version(version);
        let plugin = admit(&guest, &format!("{PATIENT}host_calls = 1"));
        for _ in 0..20 {
            assert!(route(&plugin, &plain()).is_ok(), "one call each");
        }
        assert_eq!(
            plugin.metrics().instances_created,
            1,
            "by the same instance"
        );
    }
}
