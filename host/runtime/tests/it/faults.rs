//! Faults of guests: each fails its own call and no other.

use std::sync::Arc;

use witgate_runtime::{Fault, FaultKind, Hook, Plugin, Rejection};

use crate::guest::{BASE, Guest, VERSIONS, on_probe};
use crate::request::{PATIENT, admit, alone, call, plain, probing, route, route_fault};

/// Runs a guest of each version that does `body` when it is probed. The call before it and the call after it go well.
fn costs_its_own_call(body: &str, extra: &str, sidecar: &str) -> Fault {
    let [older, newest] = VERSIONS.map(|version| once(version, body, extra, sidecar));
    assert_eq!(older.kind, newest.kind, "the same fault in each version");
    newest
}

fn once(version: &'static str, body: &str, extra: &str, sidecar: &str) -> Fault {
    let guest = Guest::route(&on_probe(body)).extra(extra).version(version);
    let plugin = admit(&guest, sidecar);
    assert!(route(&plugin, &plain()).is_ok(), "it serves before");
    let fault = route_fault(&plugin, &probing());
    assert!(route(&plugin, &plain()).is_ok(), "it serves after: {fault}");
    assert_eq!(faults(&plugin, fault.kind), 1, "the fault is counted");
    assert_eq!(fault.hook, Some(Hook::Route), "the hook is named");
    fault
}

fn faults(plugin: &Arc<Plugin>, kind: FaultKind) -> u64 {
    let figures = plugin.metrics();
    figures.faults.get(kind.code()).copied().unwrap_or(0)
}

#[test]
fn a_trap_costs_its_own_call_only() {
    let fault = costs_its_own_call("unreachable", "", PATIENT);
    assert!(
        matches!(fault.kind, FaultKind::Trap(code) if code.is_panic()),
        "the kind of trap: {fault:?}"
    );
}

#[test]
fn the_guests_last_words_and_function_names_are_in_the_fault() {
    let fault = costs_its_own_call(
        "(call $failure (i32.const 32) (i32.const 17)) (call $library)",
        "(func $library unreachable)",
        PATIENT,
    );
    assert_eq!(
        fault.message.as_deref(),
        Some("it was the butler"),
        "the panic's text"
    );
    assert!(
        fault
            .backtrace
            .first()
            .is_some_and(|name| name.contains("library")),
        "innermost first: {:?}",
        fault.backtrace
    );
    let line = fault.to_string();
    assert!(
        line.starts_with(&format!(
            "plugin `probe` ({}), hook `route`: it panicked",
            &fault.sha256[..12]
        )),
        "one line names plugin, hash, hook and kind: {line}"
    );
    assert!(line.ends_with("it was the butler"), "and the text: {line}");
}

#[test]
fn an_endless_loop_ends_at_its_deadline() {
    let fault = costs_its_own_call("(loop $l (br $l))", "", "[hooks.route]\ndeadline_ms = 30");
    assert_eq!(fault.kind, FaultKind::Deadline, "a deadline");
}

#[test]
fn an_endless_loop_ends_in_every_hook_and_in_every_call() {
    let hooks = ["envelope", "guard", "route", "budget", "audit"];
    for (hook, version) in hooks.iter().flat_map(|hook| VERSIONS.map(|it| (hook, it))) {
        // The first call of an instance passes, as that of the smoke test.
        let body = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.gt_u (global.get $calls) (i32.const 1)) (then (loop $l (br $l))))";
        let guest = Guest::hook(hook, body, version);
        let plugin = admit(&guest, "[limits]\ndeadline_ms = 10");
        assert!(
            call(&alone(&plugin), hook, &plain()).is_ok(),
            "the {hook} hook passes"
        );
        let fault = call(&alone(&plugin), hook, &plain()).expect_err("it never comes back");
        assert_eq!(fault.kind, FaultKind::Deadline, "the {hook} hook ends");
    }
}

#[test]
fn a_memory_bomb_costs_its_own_call_only() {
    let fault = costs_its_own_call(
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        "",
        &format!("{PATIENT}memory_mib = 4"),
    );
    assert_eq!(fault.kind, FaultKind::Memory, "not just a trap: {fault}");
}

#[test]
fn deep_recursion_costs_its_own_call_only() {
    let fault = costs_its_own_call(
        "(call $dive)",
        "(func $dive (call $dive) (global.set $calls (i32.const 0)))",
        PATIENT,
    );
    assert_eq!(fault.kind, FaultKind::StackOverflow, "the stack: {fault}");
}

#[test]
fn a_kept_borrow_costs_its_own_call_only() {
    // Later versions lend nothing that could be kept.
    let fault = once(BASE, "(return (i32.const 2048))", "", PATIENT);
    assert_eq!(fault.kind, FaultKind::Contract, "the contract: {fault}");
    let message = fault.message.unwrap_or_default();
    assert!(
        message.contains("borrow"),
        "it says what was kept: {message}"
    );
}

#[test]
fn a_huge_answer_costs_its_own_call_only() {
    // A rule of 3 MiB: more than may be copied, though it is in the guest's memory.
    let body = "(drop (memory.grow (i32.const 64)))
        (i32.store8 (i32.const 2056) (i32.const 1))
        (i32.store8 (i32.const 2060) (i32.const 1))
        (i32.store (i32.const 2064) (i32.const 4096))
        (i32.store (i32.const 2068) (i32.const 3145728))";
    let fault = costs_its_own_call(body, "", PATIENT);
    assert_eq!(fault.kind, FaultKind::CopyLimit, "bytes copied: {fault}");
}

#[test]
fn an_answer_that_points_nowhere_costs_its_own_call_only() {
    let body = "(i32.store8 (i32.const 2056) (i32.const 1))
        (i32.store (i32.const 2072) (i32.const 0x7ffffff0))
        (i32.store (i32.const 2076) (i32.const 1))";
    let fault = costs_its_own_call(body, "", PATIENT);
    assert_eq!(fault.kind, FaultKind::Contract, "the contract: {fault}");
}

#[test]
fn a_plan_without_targets_is_a_fault() {
    let fault = costs_its_own_call("(i32.store8 (i32.const 2056) (i32.const 1))", "", PATIENT);
    assert_eq!(fault.kind, FaultKind::Contract, "the contract: {fault}");
}

#[test]
fn a_refusal_with_a_status_of_success_is_a_fault() {
    let refuse = |status: &str| {
        on_probe(&format!(
            "(i32.store8 (i32.const 2048) (i32.const 1))
             (i32.store16 (i32.const 2056) (i32.const {status}))"
        ))
    };
    let liar = admit(&Guest::route(&refuse("200")), PATIENT);
    assert_eq!(
        route_fault(&liar, &probing()).kind,
        FaultKind::Contract,
        "200 is no refusal"
    );

    let honest = admit(&Guest::route(&refuse("403")), PATIENT);
    match route(&honest, &probing()) {
        Err(Rejection::Refusal { hook, refusal, .. }) => {
            assert_eq!((hook, refusal.status), (Hook::Route, 403), "a decision");
        }
        other => panic!("a refusal was expected, not {other:?}"),
    }
}
