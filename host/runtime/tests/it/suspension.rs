//! A plugin that faults again and again is suspended, and its fail policy applies meanwhile.

use std::sync::Arc;

use witgate_runtime::FaultKind;

use crate::guest::{Guest, on_probe};
use crate::request::{PATIENT, admit, alone, plain, probing, route_fault};

#[test]
fn three_faults_suspend_a_plugin_that_fails_closed() {
    let plugin = admit(&Guest::route(&on_probe("unreachable")), PATIENT);
    for _ in 0..3 {
        let fault = route_fault(&plugin, &probing());
        assert_eq!(fault.kind.code(), "trap", "it is called and traps");
    }
    let fault = route_fault(&plugin, &plain());
    assert_eq!(
        fault.kind,
        FaultKind::SuspendedForCaller,
        "then it isn't called at all"
    );
    assert!(plugin.suspended().is_some(), "which is to be seen");
    assert_eq!(
        plugin.metrics().faults.get("trap"),
        Some(&3),
        "three were counted"
    );
}

#[test]
fn a_suspended_plugin_that_fails_open_is_skipped_and_listed() {
    let sidecar = format!("{PATIENT}[hooks.route]\nfail = \"open\"");
    let plugin = admit(&Guest::route(&on_probe("unreachable")), &sidecar);
    let lineup = alone(&plugin);
    let mut hooks = lineup.begin(probing());
    for _ in 0..4 {
        let plan = hooks.route(&Arc::default(), None);
        assert!(matches!(plan, Ok(None)), "the request goes on: {plan:?}");
    }
    let trace = hooks.finish();
    let kinds: Vec<_> = trace
        .skipped
        .iter()
        .map(|fault| fault.kind.code())
        .collect();
    let wanted = ["trap", "trap", "trap", "suspended-for-caller"];
    assert_eq!(kinds, wanted, "each is listed");
    assert!(trace.answered.is_empty(), "nobody decided");
    let skipped: u64 = plugin
        .metrics()
        .hooks
        .values()
        .map(|hook| hook.skipped)
        .sum();
    assert_eq!(skipped, 4, "each is counted");
}
