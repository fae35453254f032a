//! Sidecars: defaults, ranges, and every problem with its line.

mod defaults;

use std::time::Duration;

use witgate_runtime::{AdmissionCause, FailPolicy, Hook, InstancePolicy, Limits, Sidecar};

use crate::guest::Guest;
use crate::request::{PATIENT, runtime, source};

fn problems(text: &str) -> String {
    Sidecar::parse("policies/probe.toml", text)
        .expect_err("it has problems")
        .to_string()
}

#[test]
fn every_key_has_a_default() {
    let sidecar = Sidecar::parse("probe.toml", "").expect("an empty file is fine");
    assert_eq!(sidecar.order, 100, "in the middle");
    assert_eq!(sidecar.instances, InstancePolicy::Reused, "reused");
    assert_eq!(sidecar.limits, Limits::default(), "the default limits");
    assert_eq!(sidecar.settings, "{}", "no settings");
    for hook in [Hook::Envelope, Hook::Route, Hook::Budget] {
        assert_eq!(
            *sidecar.fail.of(hook),
            FailPolicy::Closed,
            "{hook} fails closed"
        );
        assert_eq!(
            sidecar.limits.calls.of(hook).deadline,
            Duration::from_millis(5),
            "{hook}"
        );
    }
    assert_eq!(
        sidecar.limits.calls.of(Hook::Audit).deadline,
        Duration::from_millis(50),
        "audit"
    );
}

#[test]
fn a_hooks_own_word_goes_before_the_general_one() {
    let text = "[limits]\ndeadline_ms = 7\n[hooks.route]\ndeadline_ms = 9\nfail = \"open\"";
    let sidecar = Sidecar::parse("probe.toml", text).expect("it is fine");
    assert_eq!(
        sidecar.limits.calls.of(Hook::Route).deadline,
        Duration::from_millis(9),
        "its own"
    );
    assert_eq!(
        sidecar.limits.calls.of(Hook::Budget).deadline,
        Duration::from_millis(7),
        "general"
    );
    assert_eq!(
        *sidecar.fail.of(Hook::Route),
        FailPolicy::Open,
        "route is open"
    );
    assert_eq!(
        *sidecar.fail.of(Hook::Budget),
        FailPolicy::Closed,
        "budget is not"
    );
}

#[test]
fn all_unknown_keys_are_reported_at_once_each_with_its_line() {
    let found = problems("ordre = 1\n[limits]\ndeadline = 5\n[hooks.rout]\nfail = \"open\"\n");
    assert_eq!(
        found.lines().collect::<Vec<_>>(),
        [
            "policies/probe.toml:1: `ordre`: unknown key; check its spelling and its table",
            "policies/probe.toml:3: `limits.deadline`: unknown key; check its spelling and its table",
            "policies/probe.toml:4: `hooks.rout`: unknown key; check its spelling and its table",
        ],
        "three keys, three lines"
    );
}

#[test]
fn zeros_and_absurd_values_are_reported_at_once() {
    let found = problems(
        "[limits]\nmemory_mib = 0\nhost_calls = -1\nlive_instances = 99999999\n[hooks.audit]\ndeadline_ms = 0\nfail = \"closed\"\n",
    );
    for start in [
        "policies/probe.toml:2: `limits.memory_mib`: 0 is out of range",
        "policies/probe.toml:3: `limits.host_calls`: -1 is out of range",
        "policies/probe.toml:4: `limits.live_instances`: 99999999 is out of range",
        "policies/probe.toml:6: `hooks.audit.deadline_ms`: 0 is out of range",
        "policies/probe.toml:7: `hooks.audit.fail`: the audit hook can't fail closed",
    ] {
        assert!(found.contains(start), "`{start}` is missing in\n{found}");
    }
}

#[test]
fn one_wrong_value_hides_no_other_and_no_unknown_key() {
    let found = problems(
        "order = \"first\"\ninstances = \"new\"\nordre = 1\n[grants]\nkv = 1\nheaders = [\"x y\",\n 5,\n \"z:\"]\n\
         [limits]\nhost_calls = \"many\"\nlog_lines = 0\n[hooks.route]\nfail = \"shut\"\n[hooks.audit]\nfail = 5\n",
    );
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(
        lines,
        [
            "policies/probe.toml:1: `order`: must be a whole number, not a string",
            "policies/probe.toml:2: `instances`: must be \"reused\" or \"fresh\"",
            "policies/probe.toml:3: `ordre`: unknown key; check its spelling and its table",
            "policies/probe.toml:5: `grants.kv`: must be true or false, not 1",
            "policies/probe.toml:6: `grants.headers[0]`: not a header name; use a name like `x-team`, or a prefix with a `*` at its end, like `x-vmx-*`",
            "policies/probe.toml:7: `grants.headers[1]`: must be a string in quotes, not 5",
            "policies/probe.toml:8: `grants.headers[2]`: not a header name; use a name like `x-team`, or a prefix with a `*` at its end, like `x-vmx-*`",
            "policies/probe.toml:10: `limits.host_calls`: must be a whole number, not a string",
            "policies/probe.toml:11: `limits.log_lines`: 0 is out of range; use 1 to 1000000",
            "policies/probe.toml:13: `hooks.route.fail`: must be \"closed\" or \"open\"",
            "policies/probe.toml:15: `hooks.audit.fail`: must be \"closed\" or \"open\"",
        ],
        "each once, in the order of the lines"
    );
}

#[test]
fn a_wrong_type_and_broken_text_name_their_line() {
    let found = problems("order = 1\n[limits]\nhost_calls = \"many\"\n");
    assert!(
        found.starts_with("policies/probe.toml:3: `limits.host_calls`:"),
        "{found}"
    );
    let found = problems("order = 1\n[limits\n");
    assert!(found.starts_with("policies/probe.toml:2"), "{found}");
}

#[test]
fn settings_reach_the_plugin_as_json() {
    let text = "[settings]\nname = \"x\"\nrules = [{ when = 1 }]\n[settings.deep]\nflag = true\n";
    let sidecar = Sidecar::parse("probe.toml", text).expect("it is fine");
    let json: serde_json::Value = serde_json::from_str(&sidecar.settings).expect("it is JSON");
    assert_eq!(
        json,
        serde_json::json!({"deep": {"flag": true}, "name": "x", "rules": [{"when": 1}]}),
        "the table as JSON"
    );
}

#[test]
fn a_problem_that_the_plugin_finds_names_the_line_in_the_sidecar() {
    let complain = "(i32.store8 (i32.const 2048) (i32.const 1))
        (i32.store (i32.const 2052) (i32.const 4096))
        (i32.store (i32.const 2056) (i32.const 1))
        (i32.store (i32.const 4096) (i32.const 64))
        (i32.store (i32.const 4100) (i32.const 13))
        (i32.store (i32.const 4104) (i32.const 96))
        (i32.store (i32.const 4108) (i32.const 12))";
    let guest = Guest::route("").with("lifecycle", complain);
    let sidecar = format!(
        "{PATIENT}\n[[settings.rules]]\nwhen = \"a\"\n[[settings.rules]]\nto = \"b\"\nwhen = \"c\"\n"
    );
    let source = source(guest.build(), &sidecar);
    match runtime().admit(&source).expect_err("it complains").cause {
        AdmissionCause::Settings(problems) => assert_eq!(
            problems.to_string(),
            "probe.toml:9: `settings.rules[1].when`: no such word",
            "file, line and path"
        ),
        other => panic!("a problem of settings was expected, not {other}"),
    }
}
