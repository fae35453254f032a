//! Each limit, obeyed and violated.

use crate::guest::{Guest, PLAN, PROBE, on_probe};
use crate::request::{PATIENT, admit, plain, probing, route, route_fault, runtime, source};
use witgate_runtime::{AdmissionCause, CustomMetric, FaultKind};

/// A guest that does `body` when probed, under a limit that it keeps and under one that it breaks.
fn pair(body: &str, obeyed: &str, violated: &str) -> FaultKind {
    let guest = Guest::route(&on_probe(body));
    let plugin = admit(&guest, &format!("{PATIENT}{obeyed}"));
    let answer = route(&plugin, &probing());
    assert!(answer.is_ok(), "`{obeyed}` is enough: {answer:?}");
    let plugin = admit(&guest, &format!("{PATIENT}{violated}"));
    let fault = route_fault(&plugin, &probing());
    assert!(route(&plugin, &plain()).is_ok(), "the next call is well");
    fault.kind
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
    let kind = pair(grow, "memory_mib = 4", "memory_mib = 1");
    assert_eq!(kind, FaultKind::Memory, "2 MiB more than the start");
}

#[test]
fn memory_at_the_start_is_limited_too() {
    let guest = Guest::route("").pages(32);
    admit(&guest, "[limits]\nmemory_mib = 2");
    match refused(&guest, "[limits]\nmemory_mib = 1") {
        AdmissionCause::Start(fault) => assert_eq!(fault.kind, FaultKind::Memory, "{fault}"),
        other => panic!("a fault at the start was expected, not {other}"),
    }
}

#[test]
fn tables_beyond_the_limit_are_refused() {
    let guest = Guest::route("").extra("(table 500 funcref)");
    admit(&guest, "[limits]\ntable_elements = 500");
    match refused(&guest, "[limits]\ntable_elements = 499") {
        AdmissionCause::Start(fault) => assert_eq!(fault.kind, FaultKind::Memory, "{fault}"),
        other => panic!("a fault at the start was expected, not {other}"),
    }
}

#[test]
fn core_instances_beyond_the_limit_are_refused() {
    // The module, and the two that make a component of it.
    let guest = Guest::route("");
    admit(&guest, "[limits]\ncore_instances = 3");
    match refused(&guest, "[limits]\ncore_instances = 1") {
        AdmissionCause::Start(fault) => assert_eq!(fault.kind, FaultKind::Memory, "{fault}"),
        other => panic!("a fault at the start was expected, not {other}"),
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
    let kind = pair(&read.repeat(2), "copy_bytes = 7000", "copy_bytes = 5000");
    assert_eq!(kind, FaultKind::CopyLimit, "twice 3,000 bytes");
}

#[test]
fn returned_lists_are_limited() {
    // Four words in `retry-on`.
    let words = format!(
        "{PLAN} (i32.store (i32.const 2080) (i32.const 4096)) (i32.store (i32.const 2084) (i32.const 4))"
    );
    let kind = pair(&words, "list_items = 4", "list_items = 3");
    assert_eq!(kind, FaultKind::ReturnLimit, "four elements");
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
    let roomy = admit(&guest, &format!("{PATIENT}log_lines = 1000"));
    assert!(route(&roomy, &probing()).is_ok(), "five lines");
    assert_eq!(roomy.figures().log_lines_dropped, 0, "all were written");

    let narrow = admit(&guest, &format!("{PATIENT}log_lines = 1"));
    assert!(
        route(&narrow, &probing()).is_ok(),
        "a dropped line is no fault"
    );
    let dropped = narrow.figures().log_lines_dropped;
    // The five lines may fall on both sides of the turn of a second.
    assert!(dropped >= 3, "most were dropped: {dropped}");
}

#[test]
fn metric_names_are_limited() {
    let count = |at: &str| format!("(call $count (i32.const {at}) (i32.const 6) (i64.const 7))");
    let guest = Guest::route(&on_probe(&(count("32") + &count("64"))));
    let roomy = admit(&guest, &format!("{PATIENT}metric_names = 2"));
    assert!(route(&roomy, &probing()).is_ok(), "two names");
    let figures = roomy.figures();
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
    let figures = narrow.figures();
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
    admit(&Guest::route("").with("lifecycle", settings), PATIENT);
    match refused(&Guest::route("").with("lifecycle", count), PATIENT) {
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

#[test]
fn counters_start_anew_with_each_call() {
    let plugin = admit(&Guest::route(PROBE), &format!("{PATIENT}host_calls = 1"));
    for _ in 0..20 {
        assert!(route(&plugin, &plain()).is_ok(), "one call each");
    }
    assert_eq!(
        plugin.figures().instances_created,
        1,
        "by the same instance"
    );
}
