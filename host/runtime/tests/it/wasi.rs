//! WASI is there for every plugin, and closed.

use std::sync::Arc;

use witgate_runtime::{FaultKind, Plugin};

use crate::guest::{Guest, on_probe};
use crate::lines::written;
use crate::request::{PATIENT, admit, plain, probing, route, route_fault};

/// A guest with all of that at hand.
fn guest(body: &str) -> Guest {
    Guest::route(&on_probe(body))
        .wasi(
            "wasi:io/poll@0.2.97#[method]pollable.block",
            "block",
            "(param i32)",
        )
        .wasi(
            "wasi:io/streams@0.2.97#[method]input-stream.blocking-read",
            "read",
            "(param i32 i64 i32)",
        )
        .wasi(
            "wasi:io/streams@0.2.97#[method]output-stream.blocking-write-and-flush",
            "print",
            "(param i32 i32 i32 i32)",
        )
        .wasi("wasi:cli/stdin@0.2.97#get-stdin", "stdin", "(result i32)")
        .wasi(
            "wasi:cli/stdout@0.2.97#get-stdout",
            "stdout",
            "(result i32)",
        )
        .wasi(
            "wasi:cli/stderr@0.2.97#get-stderr",
            "stderr",
            "(result i32)",
        )
        .wasi(
            "wasi:cli/environment@0.2.97#get-environment",
            "environment",
            "(param i32)",
        )
        .wasi("wasi:cli/exit@0.2.97#exit", "exit", "(param i32)")
        .wasi(
            "wasi:clocks/monotonic-clock@0.2.97#now",
            "now",
            "(result i64)",
        )
        .wasi(
            "wasi:clocks/monotonic-clock@0.2.97#subscribe-duration",
            "sleep",
            "(param i64) (result i32)",
        )
        .wasi(
            "wasi:clocks/sundial@0.2.97#shadow",
            "shadow",
            "(result i64)",
        )
        // Nor does any WASI have this function, which a later patch might add to an interface that exists.
        .wasi(
            "wasi:clocks/monotonic-clock@0.2.97#leap",
            "leap",
            "(result i64)",
        )
        .wasi(
            "wasi:random/random@0.2.97#get-random-bytes",
            "random",
            "(param i64 i32)",
        )
        .wasi(
            "wasi:sockets/tcp-create-socket@0.2.97#create-tcp-socket",
            "socket",
            "(param i32 i32)",
        )
        .wasi(
            "wasi:sockets/instance-network@0.2.97#instance-network",
            "network",
            "(result i32)",
        )
        .wasi(
            "wasi:sockets/ip-name-lookup@0.2.97#resolve-addresses",
            "resolve",
            "(param i32 i32 i32 i32)",
        )
        .extra(
            r#"(data (i32.const 256) "one\ntwo, ")
            (data (i32.const 272) "three")"#,
        )
}

fn admitted(body: &str) -> Arc<Plugin> {
    admit(&guest(body), PATIENT)
}

/// Traps unless the condition holds.
fn assert_that(condition: &str) -> String {
    format!("(if (i32.eqz {condition}) (then unreachable))")
}

#[track_caller]
fn is_fine(plugin: &Arc<Plugin>) {
    let answer = route(plugin, &probing());
    assert!(matches!(answer, Ok(None)), "it gets to its end: {answer:?}");
}

#[test]
fn what_is_printed_is_in_the_log_line_by_line() {
    let plugin = admitted(
        "(call $print (call $stdout) (i32.const 256) (i32.const 9) (i32.const 3072))
        (call $print (call $stdout) (i32.const 272) (i32.const 5) (i32.const 3072))
        (call $print (call $stderr) (i32.const 256) (i32.const 4) (i32.const 3072))",
    );
    let lines = written(|| is_fine(&plugin));
    assert_eq!(
        lines,
        ["INFO one", "WARN one", "INFO two, three"],
        "whole lines at once, the rest when the call ends"
    );
    let again = written(|| assert!(route(&plugin, &plain()).is_ok(), "a quiet call"));
    assert!(
        again.is_empty(),
        "nothing is left for the next call: {again:?}"
    );
}

#[test]
fn printing_is_held_to_the_volume_of_the_log() {
    let body = "(local.set $i (i32.const 50))
        (loop $more
          (call $print (call $stdout) (i32.const 256) (i32.const 4) (i32.const 3072))
          (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
    let plugin = admit(&guest(body), &format!("{PATIENT}log_lines = 5"));
    let lines = written(|| is_fine(&plugin));
    assert!(
        (5..=10).contains(&lines.len()),
        "five lines a second: {}",
        lines.len()
    );
    let dropped = plugin.metrics().log_lines_dropped;
    assert!(dropped >= 40, "the others are counted: {dropped}");
}

#[test]
fn what_was_said_on_standard_error_is_in_the_fault() {
    let plugin = admitted(
        "(call $print (call $stderr) (i32.const 272) (i32.const 5) (i32.const 3072)) unreachable",
    );
    let fault = route_fault(&plugin, &probing());
    assert!(
        matches!(fault.kind, FaultKind::Trap(_)),
        "it trapped: {fault}"
    );
    assert_eq!(fault.message.as_deref(), Some("three"), "and said why");
}

#[test]
fn input_is_at_its_end_and_waiting_is_over_at_once() {
    let closed = assert_that("(i32.load8_u (i32.const 3072))")
        + &assert_that("(i32.load8_u (i32.const 3076))");
    let body = format!(
        "(call $read (call $stdin) (i64.const 100) (i32.const 3072)) {closed}
        (call $block (call $sleep (i64.const 0x7fffffffffffffff)))"
    );
    is_fine(&admitted(&body));
}

#[test]
fn clocks_go_and_numbers_are_random() {
    let body = assert_that("(i64.lt_u (call $now) (call $now))")
        + "(call $random (i64.const 32) (i32.const 3072))"
        + &assert_that("(i32.eq (i32.load (i32.const 3076)) (i32.const 32))")
        // Of sixteen bytes not all are zero.
        + &assert_that("(i64.ne (i64.const 0) (i64.or (i64.load (i32.load (i32.const 3072)))
            (i64.load offset=8 (i32.load (i32.const 3072)))))");
    is_fine(&admitted(&body));
}

#[test]
fn the_time_is_by_grant_only() {
    let plugin = admit(
        &guest("(drop (call $now))"),
        &format!("{PATIENT}[grants]\nheaders = [\"x-probe\"]"),
    );
    let fault = route_fault(&plugin, &probing());
    assert_eq!(fault.kind, FaultKind::NotGranted, "{fault}");
    let message = fault.message.unwrap_or_default();
    assert!(
        message.contains("clock = true"),
        "what grants it: {message}"
    );
}

#[test]
fn an_image_is_not_made_of_what_has_handles() {
    let plugin = admit(
        &guest("(call $print (call $stdout) (i32.const 256) (i32.const 4) (i32.const 3072))")
            .with("lifecycle", ""),
        &format!("instances = \"fresh\"\n{PATIENT}"),
    );
    let lines = written(|| is_fine(&plugin));
    assert_eq!(lines, ["INFO one"], "each instance is configured by itself");
}

#[test]
fn nothing_of_the_machine_is_to_be_seen() {
    let empty = assert_that("(i32.eqz (i32.load (i32.const 3076)))");
    is_fine(&admitted(&format!(
        "(call $environment (i32.const 3072)) {empty}"
    )));
    let refused = assert_that("(i32.eq (i32.load8_u (i32.const 3072)) (i32.const 1))")
        + &assert_that("(i32.eq (i32.load8_u (i32.const 3076)) (i32.const 1))");
    for question in [
        "(call $socket (i32.const 0) (i32.const 3072))",
        "(call $resolve (call $network) (i32.const 272) (i32.const 5) (i32.const 3072))",
    ] {
        is_fine(&admitted(&format!("{question} {refused}")));
    }
}

#[test]
fn what_has_no_word_for_a_refusal_ends_the_call_and_is_named() {
    for (body, name) in [
        ("(drop (call $shadow))", "wasi:clocks/sundial@0.2.97#shadow"),
        (
            "(drop (call $leap))",
            "wasi:clocks/monotonic-clock@0.2.97#leap",
        ),
        ("(call $exit (i32.const 0))", "wasi:cli/exit"),
    ] {
        let plugin = admitted(body);
        let fault = route_fault(&plugin, &probing());
        assert_eq!(fault.kind, FaultKind::Contract, "{name}: {fault}");
        let message = fault.message.unwrap_or_default();
        assert!(message.contains(name), "the import: {message}");
        assert!(
            matches!(route(&plugin, &plain()), Ok(None)),
            "the next call is fine"
        );
    }
}

#[test]
fn calls_and_bytes_count_like_all_others() {
    let body = "(loop $more (drop (call $now)) (br $more))";
    let fault = route_fault(&admitted(body), &probing());
    assert_eq!(fault.kind, FaultKind::HostCalls, "calls: {fault}");
    let body = "(call $random (i64.const 0x7fffffffffffffff) (i32.const 3072))";
    let fault = route_fault(&admitted(body), &probing());
    assert_eq!(fault.kind, FaultKind::CopyLimit, "bytes: {fault}");
}

#[test]
fn printing_on_a_worker_of_tokio_blocks_and_panics_nowhere() {
    let plugin = admitted(
        "(call $print (call $stdout) (i32.const 256) (i32.const 4) (i32.const 3072))
        (call $block (call $sleep (i64.const 1000000000000)))",
    );
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let lines = workers
        .block_on(workers.spawn(async move { written(|| is_fine(&plugin)) }))
        .expect("the worker lives");
    assert_eq!(lines, ["INFO one"], "and the text is in the log");
}

#[test]
fn a_type_that_differs_from_wasi_is_found_at_admission() {
    let component = wat::parse_str(
        r#"(component (import "wasi:clocks/monotonic-clock@0.2.0" (instance (export "now" (func (result string))))))"#,
    );
    let error = crate::request::runtime()
        .admit(&witgate_runtime::Source::new("probe", component.unwrap()))
        .expect_err("it isn't admitted");
    let text = error.to_string();
    assert!(text.contains("now"), "what differs: {text}");
}
