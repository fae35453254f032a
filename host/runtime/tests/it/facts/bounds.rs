//! The hooks in which there are facts to ask for, and what asking costs.

use std::sync::Arc;

use witgate_runtime::{AdmissionCause, Fault, FaultKind, Plan};

use super::ASK;
use crate::guest::{Guest, NEWEST, VERSIONS};
use crate::request::{PATIENT, admit, alone, call, plain, runtime, source};
use crate::versions::ESTIMATE;

/// A guest that asks from its second call on: the first is that of the smoke test.
fn later(hook: &'static str, function: &'static str, shape: &'static str, ask: &str) -> Guest {
    let body = format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.gt_u (global.get $calls) (i32.const 1)) (then (call $ask {ask} (i32.const 3072))))"
    );
    Guest::new()
        .with(hook, &body)
        .fact(function, "$ask", shape)
        .version(NEWEST)
}

fn second(guest: &Guest, hook: &str) -> Result<(), Fault> {
    let lineup = alone(&admit(guest, PATIENT));
    call(&lineup, hook, &plain()).expect("the first call asks for nothing");
    call(&lineup, hook, &plain())
}

#[test]
fn a_fact_that_a_hook_does_not_have_is_a_fault_that_names_it() {
    let facts: [(&str, &str, &str, &[&str]); 6] = [
        ("request#id", ASK, "", &["envelope", "route", "budget"]),
        ("caller#tier", ASK, "", &["envelope", "route", "budget"]),
        ("context#tenant", ASK, "", &["route", "budget"]),
        ("upstreams#names", ASK, "", &["route"]),
        ("planned#rule", ASK, "", &["budget"]),
        (
            "receipts#fields",
            "(param i32 i32)",
            "(i32.const 0)",
            &["audit"],
        ),
    ];
    for (function, shape, ask, hooks) in facts {
        let interface = function.split_once('#').unwrap().0;
        for hook in ["envelope", "route", "budget", "audit"] {
            let answer = second(&later(hook, function, shape, ask), hook);
            match (hooks.contains(&hook), answer) {
                (true, answer) => assert!(answer.is_ok(), "{function} in {hook}: {answer:?}"),
                (false, Ok(())) => panic!("{function} in {hook} is no fault"),
                (false, Err(fault)) => {
                    assert_eq!(fault.kind, FaultKind::Contract, "{function} in {hook}");
                    let text = fault.to_string();
                    let told = format!("`{interface}` is not available in this hook");
                    assert!(text.contains(&told), "{function} in {hook}: {text}");
                }
            }
        }
    }
}

#[test]
fn a_plugin_that_asks_for_what_its_hook_does_not_have_is_not_admitted() {
    let guest = Guest::new()
        .with("envelope", "(call $ask (i32.const 3072))")
        .fact("context#tenant", "$ask", ASK)
        .version(NEWEST);
    let refused = runtime().admit(&source(guest.build(), PATIENT));
    match refused.expect_err("it is refused").cause {
        AdmissionCause::SmokeTest(fault) => {
            assert_eq!(fault.kind, FaultKind::Contract, "{fault}");
            let text = fault.to_string();
            assert!(
                text.contains("`context` is not available in this hook"),
                "{text}"
            );
        }
        other => panic!("a failed smoke test was expected, not {other}"),
    }
}

#[test]
fn facts_are_not_at_hand_while_an_instance_starts() {
    for (function, shape, ask) in [
        ("request#id", ASK, ""),
        ("caller#key-id", ASK, ""),
        ("context#tenant", ASK, ""),
        ("upstreams#names", ASK, ""),
        ("planned#rule", ASK, ""),
        ("receipts#fields", "(param i32 i32)", "(i32.const 0)"),
    ] {
        let guest = Guest::route("")
            .with("lifecycle", &format!("(call $ask {ask} (i32.const 3072))"))
            .fact(function, "$ask", shape)
            .version(NEWEST);
        let refused = runtime().admit(&source(guest.build(), PATIENT));
        match refused.expect_err("it is refused").cause {
            AdmissionCause::Start(fault) => {
                assert_eq!(fault.kind, FaultKind::Contract, "{function}: {fault}");
                assert!(
                    fault
                        .to_string()
                        .contains("is not available while the plugin starts"),
                    "{function}: {fault}"
                );
            }
            other => panic!("{function}: a fault at the start was expected, not {other}"),
        }
    }
}

/// Forty times the same in each call, after the first one, with a limit that is enough and one that is one less.
fn forty_under(guest: &Guest, hook: &str, (key, enough): (&str, u32), kind: FaultKind, what: &str) {
    let answer = |limit: u32| {
        let lineup = alone(&admit(guest, &format!("{PATIENT}{key} = {limit}")));
        call(&lineup, hook, &plain())
    };
    let kept = answer(enough);
    assert!(kept.is_ok(), "{what}: {enough} is enough: {kept:?}");
    // The smoke test would be over the limit, too.
    let body = format!("{PATIENT}{key} = {}", enough - 1);
    match runtime().admit(&source(guest.build(), &body)) {
        Err(error) => match error.cause {
            AdmissionCause::SmokeTest(fault) => assert_eq!(fault.kind, kind, "{what}: {fault}"),
            other => panic!("{what}: a fault was expected, not {other}"),
        },
        Ok(_) => panic!("{what}: one less than {enough} is enough, too"),
    }
}

#[test]
fn each_question_is_one_call_to_the_host_also_if_the_host_looks_in_two_places() {
    for function in ["context#correlation-id", "context#tenant", "context#user"] {
        let body = "(call $ask (i32.const 3072))".repeat(40);
        let guest = Guest::route(&body)
            .fact(function, "$ask", ASK)
            .version(NEWEST);
        let limit = ("host_calls", 40);
        forty_under(&guest, "route", limit, FaultKind::HostCalls, function);
    }
    for version in VERSIONS {
        let body = "(call $head (local.get $h) (i32.const 3072))".repeat(40);
        let guest = Guest::route(&body).version(version);
        let limit = ("host_calls", 40);
        forty_under(&guest, "route", limit, FaultKind::HostCalls, version);
    }
}

#[test]
fn the_bytes_of_an_answer_count_against_the_copy_limit() {
    // The smoke test's key is `smoke-test`, of ten letters.
    let body = "(call $ask (i32.const 3072))".repeat(200);
    let guest = Guest::route(&body)
        .fact("caller#key-id", "$ask", ASK)
        .version(NEWEST);
    let limit = ("copy_bytes", 2_000);
    forty_under(
        &guest,
        "route",
        limit,
        FaultKind::CopyLimit,
        "200 times ten",
    );
}

#[test]
fn the_plan_of_an_earlier_budget_hook_is_not_lent_to_a_route_hook() {
    let plugin = admit(
        &later("route", "planned#rule", ASK, "").with("budget", ""),
        PATIENT,
    );
    let lineup = alone(&plugin);
    let mut hooks = lineup.begin(plain());
    let plan = Arc::new(Plan::to("default"));
    hooks
        .route(&Arc::default(), None)
        .expect("the first call asks for nothing");
    hooks
        .charges(&Arc::default(), &plan, &ESTIMATE)
        .expect("it serves");
    let decided = hooks.route(&Arc::default(), None);
    assert!(decided.is_err(), "there is no plan yet: {decided:?}");
}
