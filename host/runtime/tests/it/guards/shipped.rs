//! The shipped guard, with the sidecar that it ships with.

use std::sync::Arc;

use witgate_artifacts::GUARD;
use witgate_runtime::{ContentKind, PassedText, Plugin, Source, Stopped};

use super::{flow, guards, is};
use crate::request::runtime;

const SIDECAR: &str = include_str!("../../../../../policies/optional/guard.toml");

/// A key in two parts, so that this file has no secret in it.
const KEY: (&str, &str) = ("sk-ant-api03-abcdef", "ghijklmnopqrstuvwxyz_0123456789");

fn guard() -> Arc<Plugin> {
    let source = Source::new("guard", GUARD.bytes()).with_sidecar(SIDECAR);
    runtime()
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_shipped_guard_redacts_a_secret_that_arrives_in_two_pieces() {
    let mut guards = guards(&[guard()]);
    let (first, second) = (format!("the key {}", KEY.0), format!("{} is it", KEY.1));
    assert_eq!(
        flow(&mut guards, &["Hello, ", &first, &second, ""]),
        [
            is("=7", 0),
            is("=8", KEY.0.len()),
            is("[redacted:anthropic-key] is it", 0),
            is("=0", 0)
        ],
        "what leaves"
    );
    let user = guards.inspect(ContentKind::User, 0, &format!("{}{}", KEY.0, KEY.1), true);
    assert_eq!(
        user.expect("it passes").text,
        PassedText::Changed("[redacted:anthropic-key]".to_owned()),
        "a request"
    );
    assert!(
        !guards.wants(ContentKind::Thinking),
        "it changes no thinking"
    );
}

#[test]
fn the_shipped_guard_blocks_quietly() {
    let sidecar = SIDECAR.replace("response = \"redact\"", "response = \"block\"");
    let source = Source::new("guard", GUARD.bytes()).with_sidecar(sidecar);
    let plugin = runtime().admit(&source).expect("it is admitted");
    let stopped = guards(&[plugin]).inspect(
        ContentKind::ToolInput,
        0,
        &format!("{{\"a\":\"{}{}\"}}", KEY.0, KEY.1),
        true,
    );
    let Err(Stopped::Stop { rule, quietly, .. }) = stopped else {
        panic!("a stop was expected, not {stopped:?}");
    };
    assert_eq!((&*rule, quietly), ("anthropic-key", true), "the stop");
}

#[test]
fn a_private_key_is_held_until_its_end_and_redacted() {
    let mut guards = guards(&[guard()]);
    let lines: Vec<_> = (0..48)
        .map(|line| format!("{line:02}{}\n", "k".repeat(62)))
        .collect();
    let mut pieces = vec!["-----BEGIN PRIVATE", " KEY-----\n"];
    pieces.extend(lines.iter().map(String::as_str));
    pieces.extend(["-----END PRIVATE KEY-----", " and more", ""]);
    let left: String = flow(&mut guards, &pieces)
        .into_iter()
        .map(|(left, _)| left)
        .filter(|left| left != "=0")
        .collect();
    assert_eq!(left, "[redacted:private-key]=9", "what leaves");
}

#[test]
fn the_shipped_guard_reads_the_largest_piece_within_its_deadline() {
    let mut guards = guards(&[guard()]);
    let text = "sk-abc ghp_x 4111 eyJhb AKIA xoxb npm_ ".repeat(1_700);
    assert_eq!(flow(&mut guards, &[&text, ""]).len(), 2, "it passes");
    assert_eq!(guards.trace().calls[0].changed, 0, "no secret");
}

#[test]
fn the_shipped_guard_knows_the_character_before_a_piece() {
    let mut guards = guards(&[guard(), guard()]);
    let key = format!("{}{}", KEY.0, KEY.1);
    let long = "y".repeat(70_000);
    assert_eq!(
        flow(
            &mut guards,
            &["prefi", "x", &format!("{key} "), &long, &key, ""]
        )
        .last(),
        Some(&is("=0", 0)),
        "a word that goes on is no key"
    );
    let calls = guards.trace().calls.iter();
    assert!(calls.map(|calls| calls.changed).all(|changed| changed == 0));
    let (texts, _): (Vec<_>, Vec<usize>) =
        flow(&mut guards, &["y ", &key, "."]).into_iter().unzip();
    assert_eq!(
        texts.concat(),
        "=2=0[redacted:anthropic-key].",
        "another text"
    );
}

#[test]
fn the_shipped_guard_is_refused_if_it_may_not_hold_back_what_it_waits_for() {
    let sidecar = format!("{SIDECAR}\n[limits]\nheld_bytes = 3999\n");
    let source = Source::new("guard", GUARD.bytes()).with_sidecar(sidecar);
    let refused = runtime().admit(&source).expect_err("it is refused");
    let text = refused.to_string();
    assert!(
        text.contains("longest") && text.contains("hold back 3999"),
        "{text}"
    );
}
