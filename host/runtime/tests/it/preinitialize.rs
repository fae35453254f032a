//! Fresh instances that start configured.

use witgate_runtime::{AdmissionCause, Configured};

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, admit, plain, route, runtime, source};

const FRESH: &str = "instances = \"fresh\"\n";

/// Leaves a mark in memory when it is configured, and another in each call; gives a plan where it finds the first and not
/// the second.
fn marking() -> Guest {
    Guest::route(&format!(
        "(if (i32.and (i32.eq (i32.load (i32.const 5000)) (i32.const 7))
                      (i32.eqz (i32.load (i32.const 5004)))) (then {PLAN}))
         (i32.store (i32.const 5004) (i32.const 1))"
    ))
    .with("lifecycle", "(i32.store (i32.const 5000) (i32.const 7))")
}

#[test]
fn a_fresh_instance_starts_with_what_configure_left_and_nothing_of_other_calls() {
    let plugin = admit(&marking(), &format!("{FRESH}{PATIENT}"));
    assert_eq!(plugin.configured(), &Configured::Once, "which is told");
    for _ in 0..10 {
        let plan = route(&plugin, &plain()).expect("it serves");
        assert!(plan.is_some(), "configured and pristine");
    }
    let figures = plugin.metrics();
    assert_eq!(figures.instances_created, 10, "one for each call");
    assert_eq!(figures.configured, 1, "configured once, at admission");
}

#[test]
fn a_component_that_can_not_be_captured_is_configured_for_each_instance_and_says_why() {
    let guest = marking()
        .extra("(table $t 1 funcref) (func $never (table.set $t (i32.const 0) (ref.null func)))");
    let plugin = admit(&guest, &format!("{FRESH}{PATIENT}"));
    match plugin.configured() {
        Configured::PerInstance { why: Some(why) } => {
            assert!(why.contains("table.set"), "the reason: {why}");
        }
        other => panic!("it can't be captured: {other:?}"),
    }
    assert!(
        route(&plugin, &plain()).expect("it serves").is_some(),
        "it serves all the same"
    );
    assert_eq!(plugin.metrics().configured, 1, "for the call");
}

#[test]
fn reused_instances_and_plugins_without_configure_need_no_image() {
    let plugin = admit(&marking(), PATIENT);
    assert_eq!(
        plugin.configured(),
        &Configured::PerInstance { why: None },
        "a reused one is configured with its instance"
    );
    let plugin = admit(&Guest::route(PLAN), &format!("{FRESH}{PATIENT}"));
    assert_eq!(plugin.configured(), &Configured::Never, "nothing to do");
}

#[test]
fn settings_that_are_refused_refuse_the_plugin_as_ever() {
    let refusing = "(i32.store8 (i32.const 2048) (i32.const 1))
        (i32.store (i32.const 2052) (i32.const 4096)) (i32.store (i32.const 2056) (i32.const 1))
        (i32.store (i32.const 4096) (i32.const 64)) (i32.store (i32.const 4100) (i32.const 13))
        (i32.store (i32.const 4104) (i32.const 96)) (i32.store (i32.const 4108) (i32.const 12))";
    let guest = Guest::route("").with("lifecycle", refusing);
    let sidecar = format!("{FRESH}{PATIENT}[settings]\nrules = [1, 2]\n");
    let error = runtime()
        .admit(&source(guest.build(), &sidecar))
        .expect_err("it is refused");
    match &error.cause {
        AdmissionCause::Settings(problems) => {
            let text = problems.to_string();
            assert!(text.contains("rules[1].when"), "with its path: {text}");
        }
        other => panic!("its settings are wrong, not {other}"),
    }
}

#[test]
fn memory_that_is_larger_than_a_call_may_copy_is_captured_too() {
    let guest = marking().pages(64);
    let sidecar = format!("{FRESH}{PATIENT}copy_bytes = 1024\n");
    let plugin = admit(&guest, &sidecar);
    assert_eq!(plugin.configured(), &Configured::Once, "4 MiB of memory");
}
