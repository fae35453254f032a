//! The limits of returned values: elements of each list, and bytes of all texts together.

use witgate_runtime::FaultKind;

use crate::guest::{BASE, Guest, PLAN, VERSIONS};
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
pub(super) fn lists(version: &str, len: u32) -> Vec<Case> {
    let plan = |list: String| PLAN.to_owned() + &list;
    let mut cases = vec![
        ("envelope", "metadata", span(2128, 4096, len)),
        ("envelope", "edits", span(2152, 4096, len)),
        ("envelope", "response-headers", span(2160, 4096, len)),
        ("envelope", "attributes", span(2168, 4096, len)),
        ("route", "targets", plan(word(2076, len))),
        ("route", "attributes", refusal() + &span(2096, 8192, len)),
        ("budget", "charges", span(2056, 4096, len)),
    ];
    // Of the first target, its own lists are behind its names and its timeout.
    cases.extend(match version {
        BASE => vec![
            ("route", "retry-on", plan(span(2080, 8192, len))),
            ("route", "attributes", plan(span(2088, 8192, len))),
            (
                "route",
                "targets.attributes",
                plan(span(4096 + 28, 8192, len)),
            ),
            (
                "audit",
                "fields",
                span(2048, 8192, 1) + &span(8200, 4096, len),
            ),
        ],
        _ => vec![
            (
                "route",
                "retry-on",
                plan(word(2080, 1) + &span(2084, 8192, len)),
            ),
            ("route", "attributes", plan(span(2116, 8192, len))),
            ("route", "targets.edits", plan(span(4096 + 28, 8192, len))),
            (
                "route",
                "targets.attributes",
                plan(span(4096 + 36, 8192, len)),
            ),
            ("audit", "edits", word(2048, 1) + &span(2052, 8192, len)),
            ("audit", "changes", one_edit() + &span(8200, 12288, len)),
            // The first change drops what matches.
            (
                "audit",
                "patterns",
                one_change(0) + &span(12296, 16384, len),
            ),
        ],
    });
    cases
}

/// Answers with edits of all receipts.
fn one_edit() -> String {
    word(2048, 1) + &span(2052, 8192, 1)
}

/// Answers with one change, whose payload is at 12296.
fn one_change(case: u32) -> String {
    one_edit() + &span(8200, 12288, 1) + &word(12288, case)
}

/// Texts of `len` bytes together, two where there are two.
pub(super) fn texts(version: &str, len: u32) -> Vec<Case> {
    let (some, rest) = (len / 3, len - len / 3);
    let optional = |at: u32, len| {
        format!("(i32.store8 (i32.const {at}) (i32.const 1))") + &span(at + 4, 8192, len)
    };
    let mut cases = vec![
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
    ];
    let account = span(2056, 4096, 1) + &span(4096, 8192, some);
    cases.extend(match version {
        BASE => vec![
            (
                "budget",
                "account and window",
                account + &span(4104, 8192, rest),
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
        ],
        _ => vec![
            (
                "budget",
                "account and another window",
                // The unit is another one, too, with an empty name.
                account + &word(4104, 6) + &span(4108, 8192, rest) + &word(4116, 9),
            ),
            (
                "route",
                "rule and resource",
                PLAN.to_owned() + &optional(2060, some) + &optional(2104, rest),
            ),
            (
                "audit",
                "pattern and key",
                one_change(2)
                    + &span(12296, 14336, 1)
                    + &span(12304, 16384, some)
                    + &span(14336, 16384, rest),
            ),
            (
                "audit",
                "name and text",
                one_change(3) + &span(12296, 16384, some) + &span(12312, 16384, rest),
            ),
            (
                "guard",
                "replacement",
                word(2048, 2) + &span(2052, 8192, len),
            ),
            (
                "guard",
                "message and rule",
                word(2048, 3) + &span(2052, 8192, some) + &span(2060, 8192, rest),
            ),
            (
                "audit",
                "from and to",
                one_change(4) + &span(12296, 16384, some) + &span(12304, 16384, rest),
            ),
        ],
    });
    cases
}

/// Under a limit of 100 a hundred pass, and one more is a fault.
fn hundred(key: &str, cases: fn(&'static str, u32) -> Vec<Case>) {
    for version in VERSIONS {
        let pairs = cases(version, 100).into_iter().zip(cases(version, 101));
        for ((hook, what, obeyed), (_, _, violated)) in pairs {
            let what = format!("{version}, {hook}, {what}");
            one_too_many(key, (hook, &what), &obeyed, &violated, version);
        }
    }
}

fn one_too_many(
    key: &str,
    (hook, what): (&'static str, &str),
    obeyed: &str,
    violated: &str,
    version: &'static str,
) {
    let sidecar = format!("{PATIENT}{key} = 100");
    let answer = |body| {
        let plugin = admit(&Guest::hook(hook, body, version), &sidecar);
        (call(&alone(&plugin), hook, &plain()), plugin)
    };
    let (kept, _) = answer(obeyed);
    assert!(kept.is_ok(), "{what}: 100 are possible: {kept:?}");

    let (fault, plugin) = answer(violated);
    let fault = fault.expect_err("101 are one too many");
    assert_eq!(fault.kind, FaultKind::ReturnLimit, "{what}: {fault}");
    let message = fault.message.unwrap_or_default();
    assert!(
        message.contains("101") && message.contains("100"),
        "{what}: the number and the limit are told: {message}"
    );
    assert_eq!(
        plugin.metrics().faults.get("return-limit"),
        Some(&1),
        "{what}: it is counted"
    );
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
