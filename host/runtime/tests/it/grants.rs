//! The grants of plugins, and the messages about missing ones.

use std::sync::Arc;

use witgate_runtime::{
    AdmissionCause, BodyGrant, Fault, FaultKind, Hook, Runtime, RuntimeOptions, Sidecar, Source,
};

use crate::guest::{Guest, PROBE, VERSIONS, on_probe};
use crate::request::{
    PATIENT, admit, alone, answering, plain, probing, route, route_fault, runtime,
};

/// Without a word on grants.
fn bare(guest: &Guest, sidecar: &str) -> Result<(), AdmissionCause> {
    let source = Source::new("probe", guest.build()).with_sidecar(sidecar);
    match runtime().admit(&source) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.cause),
    }
}

/// The fault of a call that passed its smoke test: the guest asks only where the request tells it to.
fn refused(body: &str, grants: &str) -> Fault {
    // The header that tells it is granted in any case.
    let sidecar = format!("{PATIENT}[grants]\n{grants}\n");
    let [older, newest] = VERSIONS.map(|version| {
        let plugin = admit(&Guest::route(&on_probe(body)).version(version), &sidecar);
        let fault = route_fault(&plugin, &probing());
        assert!(route(&plugin, &plain()).is_ok(), "the next call is well");
        fault
    });
    assert_eq!(
        older.message, newest.message,
        "each version is told the same"
    );
    newest
}

#[test]
fn by_default_a_plugin_sees_the_scan_of_the_body_and_no_header() {
    let grants = Sidecar::parse("probe.toml", "").expect("it is fine").grants;
    assert_eq!(grants.body, BodyGrant::Head, "the scan");
    assert!(grants.headers.is_empty(), "no header");
    assert!(
        !grants.kv && !grants.metrics && !grants.clock,
        "no interface: {grants:?}"
    );
}

#[test]
fn an_import_that_is_not_granted_is_refused_at_admission_with_the_line_that_grants_it() {
    for (interface, call) in [
        ("clock", "(drop (call $unix_ms))"),
        (
            "metrics",
            "(call $count (i32.const 16) (i32.const 7) (i64.const 1))",
        ),
        (
            "kv",
            "(call $kv_get (i32.const 16) (i32.const 7) (i32.const 3072))",
        ),
    ] {
        for version in VERSIONS {
            let body = format!("(if (local.get $i) (then {call}))");
            let guest = Guest::route(&body).version(version);
            match bare(&guest, PATIENT) {
                Err(cause @ AdmissionCause::NotGranted(_)) => assert!(
                    cause
                        .to_string()
                        .contains(&format!("`{interface} = true` in [grants]")),
                    "{cause}"
                ),
                other => panic!("{interface} is not granted: {other:?}"),
            }
            let granted = format!("{PATIENT}[grants]\n{interface} = true\n");
            assert!(bare(&guest, &granted).is_ok(), "{interface} is granted");
        }
    }
}

#[test]
fn a_header_that_is_not_granted_is_a_fault_and_not_an_empty_answer() {
    let guest = Guest::route(PROBE);
    match bare(&guest, PATIENT) {
        Err(AdmissionCause::SmokeTest(fault)) => {
            assert_eq!(fault.kind, FaultKind::NotGranted, "seen in the smoke test");
            let text = fault.to_string();
            assert!(text.contains("`headers = [\"x-probe\"]`"), "{text}");
        }
        other => panic!("a failed smoke test was expected: {other:?}"),
    }
    for granted in ["x-probe", "X-Probe", "x-*", "*"] {
        let sidecar = format!("{PATIENT}[grants]\nheaders = [\"{granted}\"]\n");
        assert!(bare(&guest, &sidecar).is_ok(), "{granted} is enough");
    }
}

#[test]
fn the_body_is_granted_in_steps() {
    let read = "(call $body_read (local.get $h) (i64.const 0) (i32.const 9) (i32.const 3072))";
    let member = "(call $member (local.get $h) (i32.const 16) (i32.const 7) (i32.const 3072))";
    let head = "(call $head (local.get $h) (i32.const 3072))";
    let tools = "(call $tools (local.get $h) (i32.const 3072))";
    for (body, step, needed) in [
        (read, "head", "read"),
        (member, "head", "read"),
        (head, "none", "head"),
        (tools, "none", "head"),
    ] {
        let fault = refused(body, &format!("headers = [\"x-probe\"]\nbody = \"{step}\""));
        assert_eq!(fault.kind, FaultKind::NotGranted, "{body}");
        let text = fault.to_string();
        assert!(text.contains(&format!("`body = \"{needed}\"`")), "{text}");

        let sidecar = format!("{PATIENT}[grants]\nheaders = [\"x-probe\"]\nbody = \"{needed}\"\n");
        let plugin = admit(&Guest::route(&on_probe(body)), &sidecar);
        assert!(route(&plugin, &probing()).is_ok(), "{needed} is enough");
    }
}

#[test]
fn headers_by_their_beginning_need_a_grant_of_it() {
    let headers = "(call $headers (local.get $h) (i32.const 16) (i32.const 2) (i32.const 3072))";
    let fault = refused(headers, "headers = [\"x-probe\", \"x-other-*\"]");
    assert_eq!(
        fault.kind,
        FaultKind::NotGranted,
        "`x-*` is more than these"
    );
    assert!(fault.to_string().contains("`x-*`"), "{fault}");
    let sidecar = format!("{PATIENT}[grants]\nheaders = [\"x-*\"]\n");
    let plugin = admit(&Guest::route(&on_probe(headers)), &sidecar);
    assert!(route(&plugin, &probing()).is_ok(), "granted");
}

#[test]
fn what_is_not_granted_never_reaches_the_embedder() {
    let asked = answering(|name| panic!("`{name}` was asked for"));
    let sidecar =
        format!("{PATIENT}[grants]\nheaders = [\"x-probe\"]\n[hooks.route]\nfail = \"open\"\n");
    // Granted at the smoke test is granted in a call, so the way to an ungranted one is a guest that asks for another name.
    let other = "(call $header (local.get $h) (i32.const 17) (i32.const 6) (i32.const 3072))";
    let guest = Guest::new().with("audit", "").with(
        "route",
        &format!(
            "(if (i32.gt_u (global.get $calls) (i32.const 0)) (then {other}))
                  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))"
        ),
    );
    let plugin = admit(&guest, &sidecar);
    assert!(
        route(&plugin, &plain()).is_ok(),
        "its first call asks for nothing"
    );
    let lineup = alone(&plugin);
    let mut hooks = lineup.begin(asked);
    let decided = hooks.route(&Arc::default(), None);
    let trace = hooks.finish();
    assert!(decided.is_ok(), "it fails open: {decided:?}");
    assert_eq!(trace.skipped.len(), 1, "and is listed");
    assert_eq!(
        trace.skipped[0].kind,
        FaultKind::NotGranted,
        "as what it is"
    );
    assert_eq!(trace.skipped[0].hook, Some(Hook::Route), "where it was");
}

#[test]
fn everything_that_is_not_granted_is_told_at_once() {
    let asks = "(call $header (local.get $h) (i32.const 16) (i32.const 7) (i32.const 3072))
        (call $header (local.get $h) (i32.const 17) (i32.const 6) (i32.const 3072))
        (call $headers (local.get $h) (i32.const 16) (i32.const 2) (i32.const 3072))
        (call $body_read (local.get $h) (i64.const 0) (i32.const 9) (i32.const 3072))";
    for version in VERSIONS {
        // What it does with no answer is no fault of its own.
        let guest = Guest::route(&format!("{asks} unreachable"))
            .with("envelope", "(call $head (local.get $h) (i32.const 3072))")
            .version(version);
        let text = match bare(&guest, &format!("{PATIENT}[grants]\nbody = \"none\"\n")) {
            Err(cause @ AdmissionCause::SmokeTest(_)) => cause.to_string(),
            other => panic!("a failed smoke test was expected: {other:?}"),
        };
        for told in [
            "`headers = [\"x-probe\", \"-probe\", \"x-*\"]` in [grants] of the sidecar to grant them",
            "`body-read` is not granted; set `body = \"read\"`",
            "`head` is not granted; set `body = \"head\"`",
            "hook `envelope`",
        ] {
            assert!(text.contains(told), "{version}: {told:?} is told in {text}");
        }
        assert!(!text.contains("panicked"), "the trap only follows: {text}");
        assert!(
            !text.contains("user-id"),
            "it asked for the head, and not for its parts: {text}"
        );
    }

    let uses = "(if (local.get $i) (then (drop (call $unix_ms))
        (call $count (i32.const 16) (i32.const 7) (i64.const 1))))";
    let sidecar = format!("{PATIENT}[settings]\n[grants]\nheader = 1\n");
    match bare(&Guest::route(uses), &sidecar) {
        Err(AdmissionCause::Several(causes)) => {
            let text = AdmissionCause::Several(causes).to_string();
            for told in [
                "`clock = true`",
                "`metrics = true`",
                "`grants.header`: unknown key",
            ] {
                assert!(text.contains(told), "{told:?} is told in {text}");
            }
        }
        other => panic!("several causes were expected: {other:?}"),
    }
}

#[test]
fn a_header_that_carries_credentials_cannot_be_granted() {
    let runtime =
        Runtime::try_new(RuntimeOptions::default().with_secret_headers([String::from("x-probe")]))
            .expect("the engine starts");
    let admitted = |guest: &Guest, grants: &str| {
        let source = Source::new("probe", guest.build())
            .with_sidecar(format!("{PATIENT}[grants]\nheaders = {grants}\n"));
        runtime
            .admit(&source)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let quiet = Guest::route("");
    let text = admitted(&quiet, "[\"x-ok\", \"X-Probe\"]").expect_err("it is refused");
    assert!(
        text.contains("probe.toml:5: `grants.headers[1]`: `X-Probe` carries credentials"),
        "with its line: {text}"
    );
    let text = admitted(&Guest::route(PROBE), "[]").expect_err("it asks for one");
    assert!(
        text.contains("carries credentials") && !text.contains("to grant it"),
        "no line is offered that can't be added: {text}"
    );
    assert_eq!(
        admitted(&quiet, "[\"x-*\"]"),
        Ok(()),
        "the beginning means the others"
    );
}

#[test]
fn a_grant_that_is_no_header_is_a_problem_with_its_line() {
    let problems = Sidecar::parse("probe.toml", "[grants]\nheaders = [\"x-ok\", \"x y\"]\n")
        .expect_err("it is none")
        .to_string();
    assert!(
        problems.contains("probe.toml:2: `grants.headers[1]`"),
        "{problems}"
    );
}
