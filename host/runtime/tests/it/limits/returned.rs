//! The limits of returned values: elements of each list, and bytes of all texts together.

use witgate_runtime::FaultKind;

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, admit, alone, call, plain};

/// A hook and what it returns.
pub(super) type Case = (&'static str, &'static str, String);

/// Stores a 32-bit number.
fn word(at: u32, value: u32) -> String {
    format!("(i32.store (i32.const {at}) (i32.const {value}))")
}

/// Stores where a text or a list is: its place and its length.
fn span(at: u32, place: u32, len: u32) -> String {
    word(at, place) + &word(at + 4, len)
}

/// Answers with an error, as a refusal with status 403.
fn refusal() -> String {
    "(i32.store8 (i32.const 2048) (i32.const 1)) (i32.store16 (i32.const 2056) (i32.const 403))"
        .to_owned()
}

/// A list of `len` elements, in each place where a hook may have one.
pub(super) fn lists(len: u32) -> Vec<Case> {
    vec![
        ("envelope", "metadata", span(2128, 4096, len)),
        ("envelope", "edits", span(2152, 4096, len)),
        ("envelope", "response-headers", span(2160, 4096, len)),
        ("envelope", "attributes", span(2168, 4096, len)),
        ("route", "targets", PLAN.to_owned() + &word(2076, len)),
        (
            "route",
            "retry-on",
            PLAN.to_owned() + &span(2080, 8192, len),
        ),
        (
            "route",
            "attributes",
            PLAN.to_owned() + &span(2088, 8192, len),
        ),
        // The first target's own, behind its names and its timeout.
        (
            "route",
            "targets.attributes",
            PLAN.to_owned() + &span(4096 + 28, 8192, len),
        ),
        ("route", "attributes", refusal() + &span(2096, 8192, len)),
        ("budget", "charges", span(2056, 4096, len)),
        (
            "audit",
            "fields",
            span(2048, 8192, 1) + &span(8200, 4096, len),
        ),
    ]
}

/// Texts of `len` bytes together, two where there are two.
pub(super) fn texts(len: u32) -> Vec<Case> {
    let (some, rest) = (len / 3, len - len / 3);
    let optional = |at: u32, len| {
        format!("(i32.store8 (i32.const {at}) (i32.const 1))") + &span(at + 4, 8192, len)
    };
    vec![
        (
            "envelope",
            "tenant and user",
            optional(2080, some) + &optional(2092, rest),
        ),
        (
            "route",
            "rule and upstream",
            PLAN.to_owned() + &optional(2060, some) + &span(4096, 8192, rest),
        ),
        (
            "route",
            "code and message",
            refusal() + &span(2060, 8192, some) + &span(2068, 8192, rest),
        ),
        (
            "budget",
            "account and window",
            span(2056, 4096, 1) + &span(4096, 8192, some) + &span(4104, 8192, rest),
        ),
        (
            "audit",
            "id and text",
            span(2048, 8192, 1)
                + &span(8192, 16384, some)
                + &span(8200, 4096, 1)
                + &span(4096, 16384, 0)
                + &span(4112, 16384, rest),
        ),
    ]
}

/// Under a limit of 100 a hundred pass, and one more is a fault.
fn hundred(key: &str, cases: fn(u32) -> Vec<Case>) {
    for ((hook, what, obeyed), (_, _, violated)) in cases(100).into_iter().zip(cases(101)) {
        let sidecar = format!("{PATIENT}{key} = 100");
        let plugin = admit(&Guest::new().with(hook, &obeyed), &sidecar);
        let answer = call(&alone(&plugin), hook, &plain());
        assert!(
            answer.is_ok(),
            "{hook}, {what}: 100 are possible: {answer:?}"
        );

        let plugin = admit(&Guest::new().with(hook, &violated), &sidecar);
        let fault = call(&alone(&plugin), hook, &plain()).expect_err("101 are one too many");
        assert_eq!(
            fault.kind,
            FaultKind::ReturnLimit,
            "{hook}, {what}: {fault}"
        );
        let message = fault.message.unwrap_or_default();
        assert!(
            message.contains("101") && message.contains("100"),
            "{hook}, {what}: the number and the limit are told: {message}"
        );
        assert_eq!(
            plugin.metrics().faults.get("return-limit"),
            Some(&1),
            "{hook}, {what}: it is counted"
        );
    }
}

#[test]
fn every_returned_list_is_limited() {
    hundred("list_items", lists);
}

#[test]
fn all_returned_texts_together_are_limited() {
    hundred("return_bytes", texts);
}

#[test]
fn more_receipts_than_were_given_are_a_fault() {
    for (receipts, passes) in [(1, true), (2, false)] {
        let plugin = admit(
            &Guest::new().with("audit", &span(2048, 8192, receipts)),
            PATIENT,
        );
        let answer = call(&alone(&plugin), "audit", &plain());
        assert_eq!(answer.is_ok(), passes, "{receipts} of one: {answer:?}");
    }
}
