//! The search for references finds what a plain reader finds, and refuses nothing that the head scan accepts.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use witgate_messages::{Head, References};

use crate::documents::{spelled, value};

/// Members whose values are a tool's own.
const TOOLS_OWN: [&str; 3] = ["input", "input_schema", "input_examples"];

/// The texts under `file_id` in a tree, in order, without those in a tool's own values.
fn plainly(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| plainly(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    _ if TOOLS_OWN.contains(&name.as_str()) => {}
                    Value::String(text) if name == "file_id" => found.push(text.clone()),
                    other => plainly(other, found),
                }
            }
        }
        _ => {}
    }
}

/// A value with a file, a tool's own value or something else around it, one inside the other.
fn nested() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        3 => Just("file_id"),
        1 => Just("input"),
        1 => Just("input_schema"),
        2 => Just("source"),
        1 => Just("file_ids"),
    ];
    let ways = proptest::collection::vec(any::<u8>(), 1..5);
    let member = (name, ways, value())
        .prop_map(|(name, ways, value)| format!("{{{}:{value}}}", spelled(name, &ways)));
    member.prop_recursive(4, 12, 3, |inner| {
        let around = prop_oneof![Just("content"), Just("input"), Just("file_id")];
        (around, proptest::collection::vec(inner, 1..3))
            .prop_map(|(name, inner)| format!("{{\"{name}\":[{}]}}", inner.join(",")))
    })
}

/// Oddities below the top level, which are left to the upstream.
const ODD: [&str; 8] = [
    r#""\ud800""#,
    r#"{"\udc00":1}"#,
    r#""\q""#,
    "1e999",
    "NaN",
    "01",
    r#"{"a":1 "b":2}"#,
    "[,,]",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn whatever_the_head_scan_accepts_is_searched_as_a_plain_reader_does(
        before in nested(),
        odd in proptest::sample::select(ODD.to_vec()),
        after in nested(),
    ) {
        let plain = format!(r#"{{"messages":[{before},{after}]}}"#);
        let mut wanted = Vec::new();
        plainly(&serde_json::from_str(&plain).expect("a document"), &mut wanted);
        let head = Head::scan(Bytes::from(plain.clone())).expect("the head scan accepts it");
        prop_assert_eq!(&References::of(&head, usize::MAX).take_files(), &wanted, "{}", plain);

        let odd = format!(r#"{{"messages":[{before},{{"x":{odd}}},{after}]}}"#);
        let head = Head::scan(Bytes::from(odd.clone())).expect("the head scan accepts it");
        prop_assert_eq!(&References::of(&head, usize::MAX).take_files(), &wanted, "{}", odd);
    }
}
