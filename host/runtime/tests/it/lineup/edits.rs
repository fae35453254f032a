//! The edits of receipts that audit hooks return.

use std::sync::Arc;

use witgate_runtime::{AuditNote, Audited, FaultKind, Field, Lineup, Receipt, Value};

use super::plugin;
use crate::guest::{Guest, NEWEST};
use crate::layout::{Layout, Words, words};
use crate::request::{PATIENT, alone, runtime, source};

/// A change, as a guest states it.
#[derive(Clone, Copy)]
enum Edit {
    Drop(&'static [&'static str]),
    Keep(&'static [&'static str]),
    Hash(&'static [&'static str], &'static str),
    Set(&'static str, &'static str),
    Copy(&'static str, &'static str),
}

// === impl Edit ===

impl Edit {
    /// The case in two words, and a payload of six.
    fn words(self, layout: &mut Layout) -> Words {
        let mut words = match self {
            Self::Drop(patterns) => [vec![0, 0], layout.texts(patterns).to_vec()].concat(),
            Self::Keep(patterns) => [vec![1, 0], layout.texts(patterns).to_vec()].concat(),
            Self::Hash(patterns, key) => {
                let (patterns, key) = (layout.texts(patterns), layout.text(key));
                [vec![2, 0], patterns.to_vec(), key.to_vec()].concat()
            }
            Self::Set(name, value) => {
                let (name, value) = (layout.text(name), layout.text(value));
                [vec![3, 0], name.to_vec(), vec![0, 0], value.to_vec()].concat()
            }
            Self::Copy(from, to) => [
                vec![4, 0],
                layout.text(from).to_vec(),
                layout.text(to).to_vec(),
            ]
            .concat(),
        };
        words.resize(8, 0);
        words
    }
}

/// An audit hook that returns these edits, each list for one receipt or for all. The smoke test, whose receipt has no user, gets none.
fn editing(edits: &[(Option<u32>, &[Edit])]) -> Guest {
    let mut layout = Layout::default();
    let [at, len] = layout.text("user");
    let condition = format!(
        "(block (result i32)
           (call $field (i32.const 0) (i32.const {at}) (i32.const {len}) (i32.const 3072))
           (i32.load8_u (i32.const 3072)))"
    );
    editing_if(&condition, layout, edits).fact(
        "receipts#get-field",
        "$field",
        "(param i32 i32 i32 i32)",
    )
}

/// The same if a condition holds.
fn editing_if(condition: &str, mut layout: Layout, edits: &[(Option<u32>, &[Edit])]) -> Guest {
    let list: Vec<Words> = edits
        .iter()
        .map(|(receipt, changes)| {
            let changes: Vec<Words> = changes.iter().map(|it| it.words(&mut layout)).collect();
            let [at, len] = layout.list(&changes);
            vec![u32::from(receipt.is_some()), receipt.unwrap_or(0), at, len]
        })
        .collect();
    let [at, len] = layout.list(&list);
    let answer = words(2048, &[1, at, len]);
    Guest::new()
        .with("audit", &format!("(if {condition} (then {answer}))"))
        .extra(&layout.data())
        .version(NEWEST)
}

fn lineup(edits: &[(Option<u32>, &[Edit])]) -> Lineup {
    alone(&plugin("edits", &editing(edits), PATIENT))
}

fn receipt(id: &str) -> Receipt {
    let field = |name: &str, value| Field {
        name: name.to_owned(),
        value,
    };
    let text = |text: &str| Value::Text(text.to_owned());
    Receipt {
        id: id.to_owned(),
        fields: vec![
            field("id", text(id)),
            field("outcome", text("ok")),
            field("user", text("ann")),
            field("usage.input_tokens", Value::Integer(12)),
            field("usage.output_tokens", Value::Integer(-3)),
            field("streamed", Value::Flag(true)),
        ],
    }
}

/// The fields of a receipt in one line.
fn line(entry: &Audited) -> String {
    assert!(entry.notes.is_empty(), "it was edited: {entry:?}");
    let fields = entry.receipt.fields.iter().map(|field| {
        let value = match &field.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
        };
        format!("{}={value}", field.name)
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn edited(changes: &[Edit]) -> String {
    line(&lineup(&[(None, changes)]).audit(vec![receipt("r1")], |_| false)[0])
}

const UNCHANGED: &str =
    "id=r1 outcome=ok user=ann usage.input_tokens=12 usage.output_tokens=-3 streamed=true";

#[test]
fn without_edits_receipts_are_written_as_they_are() {
    assert_eq!(edited(&[]), UNCHANGED, "an empty list");
    let silent = Guest::new().with("audit", "").version(NEWEST);
    let lineup = alone(&plugin("silent", &silent, PATIENT));
    let entries = lineup.audit(vec![receipt("r1")], |_| false);
    assert_eq!(line(&entries[0]), UNCHANGED, "no list at all");
}

#[test]
fn fields_are_dropped_and_kept_by_patterns() {
    for (changes, expected) in [
        (
            &[Edit::Drop(&["usage.*", "absent"])][..],
            "id=r1 outcome=ok user=ann streamed=true",
        ),
        (
            &[Edit::Keep(&["*_tokens"])],
            "id=r1 outcome=ok usage.input_tokens=12 usage.output_tokens=-3",
        ),
        (&[Edit::Keep(&[])], "id=r1 outcome=ok"),
        (&[Edit::Drop(&[])], UNCHANGED),
    ] {
        assert_eq!(edited(changes), expected);
    }
}

#[test]
fn a_field_is_set_in_its_place_or_as_the_last_one() {
    assert_eq!(
        edited(&[Edit::Set("user", "bob"), Edit::Set("new", "1")]),
        UNCHANGED.replace("ann", "bob") + " new=1"
    );
}

#[test]
fn a_copy_sees_the_value_before_any_edit_of_the_call() {
    let changes = [
        Edit::Set("user", "bob"),
        Edit::Copy("user", "was"),
        Edit::Copy("absent", "absent-too"),
        Edit::Drop(&["user"]),
        Edit::Copy("usage.input_tokens", "tokens"),
    ];
    assert_eq!(
        edited(&changes),
        "id=r1 outcome=ok usage.input_tokens=12 usage.output_tokens=-3 streamed=true was=ann tokens=12"
    );
}

#[test]
fn id_and_outcome_never_change() {
    let changes = [
        Edit::Drop(&["*"]),
        Edit::Hash(&["id", "outcome"], "key"),
        Edit::Set("id", "forged"),
        Edit::Copy("user", "outcome"),
    ];
    assert_eq!(edited(&changes), "id=r1 outcome=ok");
}

#[test]
fn a_hash_is_the_beginning_of_the_hmac_of_rfc_4231() {
    // Test cases 2 and 1 of the RFC.
    let changes = [
        Edit::Set("user", "what do ya want for nothing?"),
        Edit::Hash(&["us*r"], "Jefe"),
        Edit::Set("new", "Hi There"),
        Edit::Hash(
            &["new"],
            "\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}\u{b}",
        ),
    ];
    assert_eq!(
        edited(&changes),
        UNCHANGED.replace("ann", "5bdcc146bf60754e") + " new=b0344c61d8db3853"
    );
}

#[test]
fn a_hash_is_of_the_text_of_a_number_or_a_flag() {
    let of_fields = edited(&[Edit::Hash(&["usage.input_tokens", "streamed"], "key")]);
    let of_texts = edited(&[
        Edit::Set("usage.input_tokens", "12"),
        Edit::Set("streamed", "true"),
        Edit::Hash(&["usage.input_tokens", "streamed"], "key"),
    ]);
    assert_eq!(of_fields, of_texts, "the same text, the same hash");
    assert_ne!(of_fields, UNCHANGED, "hashed");
}

#[test]
fn edits_are_of_one_receipt_or_of_all_in_order() {
    let lineup = lineup(&[
        (Some(1), &[Edit::Set("user", "second")]),
        (
            None,
            &[Edit::Copy("user", "was"), Edit::Hash(&["user"], "key")],
        ),
        (Some(0), &[Edit::Set("user", "first")]),
    ]);
    let entries = lineup.audit(vec![receipt("r1"), receipt("r2")], |_| false);
    assert!(
        line(&entries[0]).contains(" user=first ") && line(&entries[0]).ends_with(" was=ann"),
        "{entries:?}"
    );
    let second = line(&entries[1]);
    assert!(
        !second.contains("user=first")
            && !second.contains("user=second")
            && !second.contains("user=ann")
            && second.ends_with(" was=ann"),
        "set, then hashed: {second}"
    );
}

#[test]
fn a_plugin_sees_the_edits_of_those_before_it() {
    let first = editing(&[(None, &[Edit::Set("user", "bob")])]);
    let later = editing(&[(None, &[Edit::Copy("user", "was"), Edit::Drop(&["user"])])]);
    let plugins = vec![
        plugin("later", &later, &format!("order = 2\n{PATIENT}")),
        plugin("first", &first, &format!("order = 1\n{PATIENT}")),
    ];
    let entries = Lineup::new(1, plugins, &[]).audit(vec![receipt("r1")], |_| false);
    let line = line(&entries[0]);
    assert!(
        line.ends_with(" was=bob") && !line.contains(" user="),
        "{line}"
    );
}

fn fault(entries: &[Audited]) -> (FaultKind, String) {
    match &entries[0].notes[..] {
        [AuditNote::Fault(fault)] => (fault.kind, fault.to_string()),
        other => panic!("a fault was expected: {other:?}"),
    }
}

#[test]
fn edits_of_a_receipt_that_is_not_there_are_a_fault_and_hold_the_fields_back() {
    let beyond = lineup(&[
        (None, &[Edit::Set("user", "bob")]),
        (Some(2), &[Edit::Drop(&["*"])]),
    ]);
    let entries = beyond.audit(vec![receipt("r1"), receipt("r2")], |name| {
        name == "streamed"
    });
    let (kind, text) = fault(&entries);
    assert_eq!(kind, FaultKind::Contract, "{text}");
    assert!(text.contains("edits of receipt 2; the call has"), "{text}");
    for (entry, id) in entries.iter().zip(["r1", "r2"]) {
        assert_eq!(entry.receipt.id, id, "the receipt is there");
        let names: Vec<_> = entry.receipt.fields.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["streamed"], "what is kept in any case, unedited");
    }
}

#[test]
fn a_plugin_whose_edits_are_always_of_a_receipt_that_is_not_there_is_refused() {
    let edits: [(Option<u32>, &[Edit]); 1] = [(Some(1), &[Edit::Drop(&["user"])])];
    let guest = editing_if("(i32.const 1)", Layout::default(), &edits);
    let refused = runtime().admit(&source(guest.build(), PATIENT));
    let text = refused.expect_err("it is refused").to_string();
    assert!(
        text.contains("edits of receipt 1; the call has 1"),
        "{text}"
    );
}

#[test]
fn a_fault_leaves_no_half_of_the_edits() {
    let changes = Arc::new(editing(&[(None, &[Edit::Drop(&["user"])])]));
    let strict = format!("{PATIENT}return_bytes = 3\n");
    let lineup = alone(&plugin("strict", &changes, &strict));
    let entries = lineup.audit(vec![receipt("r1")], |_| true);
    let (kind, text) = fault(&entries);
    assert_eq!(kind, FaultKind::ReturnLimit, "{text}");
    assert_eq!(entries[0].receipt, receipt("r1"), "as it was");
}

#[test]
fn what_edits_add_to_receipts_has_the_limit_of_what_a_plugin_returns() {
    const COPY: Edit = Edit::Copy("user", "tags.b");
    let copies = editing(&[(None, &[COPY; 4])]);
    // Each copy may add its name of six bytes and the longest field, a name of 19 bytes with a number.
    const ADDED: usize = 4 * (6 + 19);
    for (limit, faults) in [(ADDED, false), (ADDED - 1, true)] {
        let limits = format!("{PATIENT}return_bytes = {limit}\n");
        let lineup = alone(&plugin("copying", &copies, &limits));
        let entries = lineup.audit(vec![receipt("r1")], |_| true);
        assert_eq!(!entries[0].notes.is_empty(), faults, "{limit}: {entries:?}");
    }
}

#[test]
fn edits_that_compare_for_long_are_a_fault() {
    const PATTERNS: [&str; 1000] = ["*x*"; 1000];
    let drop = Edit::Drop(&PATTERNS);
    let mut long = receipt("r1");
    let more = |index| Field {
        name: format!("metadata.{index}"),
        value: Value::Flag(true),
    };
    long.fields.extend((0..994).map(more));
    // A thousand patterns, and a thousand fields.
    for (changes, faults) in [(4, false), (5, true)] {
        let guest = editing(&[(None, &vec![drop; changes])]).pages(8);
        let entries = alone(&plugin("slow", &guest, PATIENT)).audit(vec![long.clone()], |_| true);
        assert_eq!(
            !entries[0].notes.is_empty(),
            faults,
            "{changes} million comparisons"
        );
        if faults {
            let (kind, text) = fault(&entries);
            assert_eq!(kind, FaultKind::ReturnLimit, "{text}");
            assert!(text.contains("5000000 comparisons"), "{text}");
        }
    }
}

#[test]
fn a_keyed_hash_counts_as_twenty_comparisons_of_each_field() {
    const HASH: Edit = Edit::Hash(&["user"], "key");
    let mut long = receipt("r1");
    let more = |index| Field {
        name: format!("metadata.{index}"),
        value: Value::Flag(true),
    };
    long.fields.extend((0..994).map(more));
    assert_eq!(long.fields.len(), 1000, "fields");
    // A pattern and a hash are 21 comparisons, and the limit is four million for a thousand fields.
    for (changes, faults) in [(190, false), (191, true)] {
        let guest = editing(&[(None, &vec![HASH; changes])]).pages(8);
        let entries = alone(&plugin("slow", &guest, PATIENT)).audit(vec![long.clone()], |_| true);
        assert_eq!(!entries[0].notes.is_empty(), faults, "{changes} hashes");
        if faults {
            let (kind, text) = fault(&entries);
            assert_eq!(kind, FaultKind::ReturnLimit, "{text}");
            assert!(text.contains("4011000 comparisons"), "{text}");
        }
    }
}
