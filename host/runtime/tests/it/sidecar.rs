//! Sidecars: defaults, ranges, and every problem with its line.

mod defaults;

use crate::guest::Guest;
use crate::request::{PATIENT, runtime, source};
use std::time::Duration;
use witgate_runtime::problem::{self, Document};
use witgate_runtime::{AdmissionCause, FailPolicy, Hook, InstancePolicy, Limits, Sidecar};

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
        "policies/probe.toml:7: `hooks.audit.fail`: audit can't fail closed",
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
            "policies/probe.toml:1: `order`: must be a whole number, not a text",
            "policies/probe.toml:2: `instances`: must be \"reused\" or \"fresh\"",
            "policies/probe.toml:3: `ordre`: unknown key; check its spelling and its table",
            "policies/probe.toml:5: `grants.kv`: must be true or false, not 1",
            "policies/probe.toml:6: `grants.headers[0]`: not a header name; write one like `x-team`, or the beginning of several with a `*` at its end, like `x-vmx-*`",
            "policies/probe.toml:7: `grants.headers[1]`: must be a text in quotes, not 5",
            "policies/probe.toml:8: `grants.headers[2]`: not a header name; write one like `x-team`, or the beginning of several with a `*` at its end, like `x-vmx-*`",
            "policies/probe.toml:10: `limits.host_calls`: must be a whole number, not a text",
            "policies/probe.toml:11: `limits.log_lines`: 0 is out of range; 1 to 1000000 is possible",
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

#[test]
fn a_path_that_is_not_there_has_the_line_of_what_is() {
    let document =
        Document::parse("x.toml", "a = 1\n[b]\nc = [1,\n 2]\n[[d]]\ne = { f = 1 }\n").unwrap();
    for (path, line) in [
        ("a", Some(1)),
        ("b.c", Some(3)),
        ("b.c[1]", Some(4)),
        ("b.missing", Some(2)),
        ("d[0].e.f", Some(6)),
        ("nowhere", None),
        ("b.c[99]", Some(3)),
        ("[[[", None),
    ] {
        assert_eq!(document.locate(path), line, "the line of `{path}`");
    }
}

/// A file with what serde has to offer.
#[derive(Debug, serde::Deserialize)]
#[allow(dead_code, reason = "only the problems are looked at")]
struct Wide {
    port: std::num::NonZeroU16,
    choice: Choice,
    places: Vec<Place>,
    by_name: std::collections::BTreeMap<String, Place>,
    ratio: f64,
    pair: (u8, bool),
    #[serde(default)]
    anything: serde_json::Value,
}

#[derive(Debug, serde::Deserialize)]
#[allow(dead_code, reason = "only the problems are looked at")]
struct Place {
    x: u32,
    y: Option<u32>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(dead_code, reason = "only the problems are looked at")]
enum Choice {
    Plain,
    At(u32),
    In { x: u32 },
}

#[test]
fn every_shape_of_a_file_is_read() {
    let text = |choice: &str| {
        format!(
            "port = 1\nchoice = {choice}\nplaces = [{{ x = 1 }}]\nratio = 2\npair = [1, true]\n\
             [by_name.a]\nx = 1\ny = 2\n[anything]\nat = 1979-05-27\n"
        )
    };
    for choice in ["\"plain\"", "{ at = 1 }", "{ in = { x = 1 } }"] {
        let wide = problem::parse::<Wide>("w.toml", &text(choice));
        let wide = wide.unwrap_or_else(|problems| panic!("{choice}: {problems}"));
        assert_eq!(
            wide.anything,
            serde_json::json!({"at": "1979-05-27"}),
            "a date is a text"
        );
    }
}

#[test]
fn every_problem_of_every_shape_is_told_at_once() {
    let text = "port = 0\nchoice = { at = \"x\" }\nplaces = [{ x = -1, z = 1 }, 5, { y = 1.5 }]\nratio = \"half\"\n\
                pair = [1]\n[by_name]\na = { x = 99999999999 }\nb = []\nc = { x = 1, w = 2 }\n";
    let told = problem::parse::<Wide>("w.toml", text)
        .expect_err("all is wrong")
        .to_string();
    for wanted in [
        "w.toml:1: `port`: must be",
        "w.toml:2: `choice.at`: must be a whole number from 0 to 4294967295, not a text",
        "w.toml:3: `places[0].x`: must be a whole number from 0 to 4294967295, not -1",
        "w.toml:3: `places[0].z`: unknown key",
        "w.toml:3: `places[1]`: must be a table, not 5",
        "w.toml:3: `places[2]`: `x` is missing",
        "w.toml:3: `places[2].y`: must be a whole number",
        "w.toml:4: `ratio`: must be a number, not a text",
        "w.toml:5: `pair`",
        "w.toml:7: `by_name.a.x`: must be a whole number from 0 to 4294967295",
        "w.toml:8: `by_name.b`: must be a table, not a list",
        "w.toml:9: `by_name.c.w`: unknown key",
    ] {
        assert!(told.contains(wanted), "{wanted:?} is told in:\n{told}");
    }
}

#[test]
fn a_file_with_thousands_of_problems_is_told_of_in_bounds() {
    let many = "[[place]]\nx = true\n".repeat(5_000);
    #[derive(Debug, serde::Deserialize)]
    struct Many {
        #[allow(dead_code, reason = "only the problems are looked at")]
        place: Vec<Place>,
    }
    let told = problem::parse::<Many>("w.toml", &many)
        .expect_err("all is wrong")
        .to_string();
    assert!(told.contains("has more than 200 problems"), "it says so");
    assert!(told.lines().count() < 210, "and stops there");
}

#[test]
fn any_file_may_be_read_with_lines() {
    #[derive(Debug, serde::Deserialize)]
    struct Config {
        #[allow(dead_code, reason = "only the problems are looked at")]
        port: u16,
    }
    let problems = problem::parse::<Config>("gate.toml", "port = 1\nprot = 2\nhots = 3\n");
    let text = problems.expect_err("two unknown keys").to_string();
    assert_eq!(text.lines().count(), 2, "both: {text}");
    assert!(
        problem::parse::<Config>("gate.toml", "port = 1").is_ok(),
        "a clean file"
    );
}
