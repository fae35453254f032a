//! Faults of guards, and the limits of what they hold and return.

use std::sync::Arc;

use witgate_artifacts::HOSTILE;
use witgate_runtime::{
    AdmissionCause, ContentKind, Fault, FaultKind, Guards, Hook, PassedText, Plugin, Source,
    Stopped,
};

use super::{TEXT, flow_of, guards, holding, is, limited, source, warden};
use crate::request::runtime;

/// Inspects a piece that must end in a fault.
fn fault(guards: &mut Guards, kind: ContentKind, text: &str, last: bool) -> Fault {
    match guards.inspect(kind, 0, text, last) {
        Err(Stopped::Fault(fault)) => fault,
        other => panic!("a fault was expected, not {other:?}"),
    }
}

fn booming(more: &str) -> String {
    format!("{}\nboom = \"boom\"\n{more}", holding(3))
}

fn open(settings: &str) -> Arc<Plugin> {
    limited("a", "[hooks.guard]\nfail = \"open\"", settings)
}

/// A guard without the SDK that behaves as told, once it has served the smoke test.
fn hostile(behaviour: &str, content: &str) -> Arc<Plugin> {
    let sidecar = format!(
        "[limits]\ndeadline_ms = 1000\nconfigure_ms = 20000\nmemory_mib = 32\n[grants]\nbody = \"read\"\nheaders = [\"x-hostile\"]\nkv = true\nmetrics = true\nclock = true\ncontent = [\"response\"]\n[settings]\ncontent = [\"{content}\"]\n"
    );
    let source = Source::new(behaviour, HOSTILE.bytes()).with_sidecar(sidecar);
    runtime()
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The guards of a request that tells the hostile guest what to do.
fn misled(behaviour: &'static str, content: &str) -> Guards {
    let plugin = hostile(behaviour, content);
    let lineup = crate::request::alone(&plugin);
    let request = crate::request::answering(move |name| {
        let told = match behaviour {
            "loop" => "guard:loop",
            "memory" => "guard:memory",
            "huge-string" => "guard:huge-string",
            "nonsense" => "guard:nonsense",
            "empty-plan" => "guard:empty-plan",
            _ => "guard:trap",
        };
        (name == "x-hostile").then_some(told)
    });
    let hooks = lineup.begin(request);
    let guards = hooks.guards(&Arc::default()).expect("no refusal");
    guards.expect("a guard")
}

#[test]
fn a_fault_of_a_guard_that_fails_closed_ends_the_exchange() {
    let mut guards = guards(&[warden("a", &booming(""))]);
    assert_eq!(flow_of(&mut guards, 0, &["fine"], false), [is("=1", 3)]);
    let fault = fault(&mut guards, ContentKind::Text, " boom", false);
    assert_eq!(fault.hook, Some(Hook::Guard), "the hook");
    assert!(matches!(fault.kind, FaultKind::Trap(_)), "{fault}");
    assert!(fault.to_string().contains("the guard saw"), "{fault}");
}

#[test]
fn after_a_fault_of_a_guard_that_fails_open_the_rest_passes_with_what_was_held() {
    let plugin = open(&booming(""));
    let mut guards = guards(&[Arc::clone(&plugin)]);
    // Another text is held, too.
    assert_eq!(flow_of(&mut guards, 1, &["other"], false), [is("=2", 3)]);
    assert_eq!(
        flow_of(&mut guards, 0, &["a text", " boom", " more x", ""], true),
        [is("=3", 3), is("=8", 0), is("=7", 0), is("=0", 0)],
        "what leaves"
    );
    let passed = guards.inspect(ContentKind::Text, 1, "", true);
    let passed = passed.expect("it passes");
    assert_eq!((passed.text, passed.held), (PassedText::Unchanged, 0));
    let trace = guards.trace();
    assert_eq!(trace.skipped.len(), 1, "the fault: {:?}", trace.skipped);
    let figures = plugin.metrics().hooks[&Hook::Guard];
    assert_eq!((figures.calls, figures.skipped), (3, 1), "the figures");
}

#[test]
fn a_guard_that_faults_after_a_change_passes_the_rest_as_changed_text() {
    let plugin = open(&booming("find = \"bad\"\nreplace = \"good\""));
    let mut guards = guards(&[plugin]);
    assert_eq!(
        flow_of(&mut guards, 0, &["a bad text", " boom", " more", ""], true),
        [
            is("a good t", 3),
            is("ext boom", 0),
            is("=5", 0),
            is("=0", 0)
        ],
        "what leaves"
    );
}

#[test]
fn a_guard_that_fails_open_does_not_open_the_guard_behind_it() {
    let first = open(&booming(""));
    let second = warden("b", &super::replacing(0, "boom", "[x]"));
    let mut guards = guards(&[first, second]);
    assert_eq!(
        flow_of(&mut guards, 0, &["a boom", ""], true),
        [is("a [x]", 0), is("=0", 0)],
        "what leaves"
    );
}

#[test]
fn three_faults_suspend_a_guard() {
    let plugin = warden("a", &booming(""));
    for _ in 0..3 {
        fault(
            &mut guards(&[Arc::clone(&plugin)]),
            ContentKind::Text,
            "boom",
            true,
        );
    }
    let mut guards = guards(&[plugin]);
    let fault = fault(&mut guards, ContentKind::Text, "fine", true);
    assert!(
        matches!(
            fault.kind,
            FaultKind::Suspended | FaultKind::SuspendedForCaller
        ),
        "{fault}"
    );
    assert!(guards.trace().calls.is_empty(), "it was not called");
}

#[test]
fn a_guard_that_holds_more_than_its_limit_faults() {
    let plugin = limited("a", "held_bytes = 10", &holding(11));
    let mut guards = guards(&[plugin]);
    assert_eq!(
        flow_of(&mut guards, 0, &["0123456789"], false),
        [is("=0", 10)]
    );
    let fault = fault(&mut guards, ContentKind::Text, "a", false);
    assert_eq!(fault.kind, FaultKind::Contract, "{fault}");
    assert!(
        fault.to_string().contains(
            "it held back 11 bytes of a text, and the limit is 10; hold less, or raise `held_bytes` in [limits] of the sidecar"
        ),
        "{fault}"
    );
}

#[test]
fn a_guard_that_holds_the_last_piece_or_replaces_the_end_faults() {
    let mut holds = misled("empty-plan", "text");
    let held = fault(&mut holds, ContentKind::Text, "abc", true);
    assert!(
        held.to_string()
            .contains("it held back 3 bytes of the last piece of a text"),
        "{held}"
    );
    let mut replaces = misled("nonsense", "end");
    let replaced = fault(&mut replaces, ContentKind::End, "", true);
    assert!(
        replaced
            .to_string()
            .contains("it replaced the end of a response"),
        "{replaced}"
    );
    assert_eq!(replaced.kind, FaultKind::Contract, "{replaced}");
}

#[test]
fn a_guard_that_would_hold_the_last_piece_is_refused_at_admission() {
    let sidecar = "[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\ncontent = [\"response\"]\n[settings]\ncontent = [\"text\"]\nguard = \"empty-plan\"\n";
    let source = Source::new("a", HOSTILE.bytes()).with_sidecar(sidecar);
    let error = runtime().admit(&source).expect_err("it is refused");
    assert!(
        matches!(&error.cause, AdmissionCause::SmokeTest(fault) if fault.hook == Some(Hook::Guard)),
        "{error}"
    );
}

#[test]
fn a_guard_is_under_the_limits_of_every_hook() {
    for (behaviour, code) in [
        ("loop", "deadline"),
        ("memory", "memory"),
        ("huge-string", "copy-limit"),
        ("trap", "trap"),
    ] {
        let mut guards = misled(behaviour, "text");
        let fault = fault(&mut guards, ContentKind::Text, "abc", false);
        assert_eq!(fault.kind.code(), code, "{behaviour}: {fault}");
    }
}

#[test]
fn pieces_have_to_be_twice_as_large_as_what_may_be_held() {
    let wrong = source("a", "held_bytes = 1000\npiece_bytes = 1999", TEXT);
    let error = runtime().admit(&wrong).expect_err("it is refused");
    assert!(
        error
            .to_string()
            .contains("use 2000 or more, or lower `held_bytes`"),
        "{error}"
    );
    limited("a", "held_bytes = 1000\npiece_bytes = 2000", TEXT);
}
