//! Splices change what they name and nothing else.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::value::RawValue;
use witgate_messages::splice::Insertion;
use witgate_messages::{Edit, EditError, Head, splice};

use crate::documents::{captures, request, value};
use crate::reference::{Judged, judge};

fn spliced(document: &str, edits: &[Edit]) -> String {
    let head = Head::scan(Bytes::copy_from_slice(document.as_bytes())).unwrap();
    let spliced = splice(&head, edits).unwrap();
    let len = spliced.len();
    let whole = spliced.into_bytes();
    assert_eq!(whole.len(), len, "the length is that of the parts");
    String::from_utf8(whole.to_vec()).unwrap()
}

fn remove(name: &str) -> Edit {
    Edit::Remove(name.to_owned())
}

fn set(name: &str, json: &str) -> Edit {
    Edit::Set(name.to_owned(), json.to_owned())
}

#[test]
fn a_splice_takes_one_comma_and_leaves_blanks() {
    let table = [
        (r#"{"vmx":1,"a":2}"#, vec![remove("vmx")], r#"{"a":2}"#),
        (r#"{"a":2,"vmx":1}"#, vec![remove("vmx")], r#"{"a":2}"#),
        (
            r#"{"a":2,"vmx":{"x":[1,2]},"b":3}"#,
            vec![remove("vmx")],
            r#"{"a":2,"b":3}"#,
        ),
        (r#"{"vmx":1}"#, vec![remove("vmx")], "{}"),
        (
            "{ \"vmx\" : 1 , \"a\" : 2 }",
            vec![remove("vmx")],
            "{   \"a\" : 2 }",
        ),
        (
            "{ \"a\" : 2 , \"vmx\" : 1 }",
            vec![remove("vmx")],
            "{ \"a\" : 2   }",
        ),
        (
            r#"{"a":1,"b":2,"c":3}"#,
            vec![remove("c"), remove("a")],
            r#"{"b":2}"#,
        ),
        (
            r#"{"a":1,"b":2,"c":3}"#,
            vec![remove("b"), remove("c")],
            r#"{"a":1}"#,
        ),
        (r#"{"a":1,"b":2}"#, vec![remove("a"), remove("b")], "{}"),
        (
            r#"{"a":1,"b":2}"#,
            vec![remove("a"), remove("b"), set("c", "3")],
            r#"{"c":3}"#,
        ),
        (
            r#"{"a":1,"b":2}"#,
            vec![remove("b"), set("c", "3")],
            r#"{"a":1,"c":3}"#,
        ),
        (r#"{"a":1}"#, vec![set("a", "[2]")], r#"{"a":[2]}"#),
        (
            r#"{"a":1}"#,
            vec![set("a", "2"), set("b", "3"), set("c", "4")],
            r#"{"a":2,"b":3,"c":4}"#,
        ),
        (
            r#"{"a":1}"#,
            vec![set("a", "2"), set("a", "3")],
            r#"{"a":3}"#,
        ),
        (r#"{"a":1}"#, vec![set("a", "2"), remove("a")], "{}"),
        (r#"{"a":1}"#, vec![remove("a"), set("a", "2")], r#"{"a":2}"#),
        (r#"{"a":1}"#, vec![set("b", "2"), remove("b")], r#"{"a":1}"#),
        ("{ }", vec![set("q\"", "\"x\"")], "{ \"q\\\"\":\"x\"}"),
        (r#"{"\u0076mx":1,"a":2}"#, vec![remove("vmx")], r#"{"a":2}"#),
        (
            r#"{"mod\u0065l":"x"}"#,
            vec![set("model", "\"y\"")],
            r#"{"mod\u0065l":"y"}"#,
        ),
        (r#"{"a":1}"#, vec![remove("nothing")], r#"{"a":1}"#),
    ];
    for (document, edits, wanted) in table {
        assert_eq!(
            spliced(document, &edits),
            wanted,
            "{document} with {edits:?}"
        );
    }
}

#[test]
fn what_is_not_edited_is_not_copied() {
    for (name, body) in captures() {
        let body = Bytes::from(body);
        let head = Head::scan(body.clone()).unwrap();
        let same = splice(&head, &[]).unwrap().into_bytes();
        assert_eq!(
            same.as_ptr(),
            body.as_ptr(),
            "{name} without edits is the body itself"
        );

        let parts = splice(&head, &[set("model", "\"other\"")])
            .unwrap()
            .into_parts();
        let ours = body.as_ptr_range();
        let copied: usize = parts
            .iter()
            .filter(|part| !ours.contains(&part.as_ptr()))
            .map(Bytes::len)
            .sum();
        assert_eq!(
            copied,
            "\"other\"".len(),
            "{name}: only the new value is new"
        );
    }
}

#[test]
fn a_text_that_is_no_json_value_is_never_set() {
    let head = Head::scan(Bytes::from_static(b"{}")).unwrap();
    for text in ["", "x", "1,\"b\":2", "{", "[1] 2", "\"\n\""] {
        let error = splice(&head, &[set("a", text)]).expect_err("not JSON");
        assert!(
            matches!(error, EditError::NotJson { ref name, .. } if name == "a"),
            "{text:?}: {error}"
        );
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = prop::sample::select(vec![
        "model",
        "stream",
        "vmx",
        "x",
        "ünï\n\"",
        "new",
        "tools",
    ]);
    prop_oneof![
        name.clone().prop_map(remove),
        (name, value()).prop_map(|(name, json)| set(name, &json)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_splice_is_the_edit_of_the_parsed_document(document in request(), edits in prop::collection::vec(edit(), 0..5)) {
        let Judged::Read(before) = judge(document.as_bytes()) else { panic!("not a request") };
        // The last edit of a name counts; new names come in the order in which they were first asked for since.
        let mut wanted = before.members.clone();
        let last = |name: &str| edits.iter().rev().find(|edit| edit.name() == name);
        wanted.retain(|(name, _)| !matches!(last(name), Some(Edit::Remove(_))));
        for (name, text) in &mut wanted {
            if let Some(Edit::Set(_, json)) = last(name) {
                text.clone_from(json);
            }
        }
        let mut added: Vec<(String, String)> = Vec::new();
        for edit in edits.iter().filter(|edit| before.members.iter().all(|(name, _)| name != edit.name())) {
            match edit {
                Edit::Remove(name) => added.retain(|(earlier, _)| earlier != name),
                Edit::Set(name, json) => match added.iter_mut().find(|(earlier, _)| earlier == name) {
                    Some((_, earlier)) => earlier.clone_from(json),
                    None => added.push((name.clone(), json.clone())),
                },
                Edit::Insert(_) => unreachable!("not among these edits"),
            }
        }
        wanted.extend(added.clone());

        let result = spliced(&document, &edits);
        let members: crate::reference::Members = serde_json::from_str(&result).expect("the result is JSON");
        let trimmed = |text: &str| text.trim_matches([' ', '\n', '\r', '\t']).to_owned();
        let members: Vec<_> = members.0.iter().map(|(name, value)| (name.clone(), trimmed(value.get()))).collect();
        let wanted: Vec<_> = wanted.into_iter().map(|(name, text)| (name, trimmed(&text))).collect();
        prop_assert_eq!(members, wanted);

        // Every byte that is not the text of an edited member or a comma is still there, in order.
        let mut rest = result.as_bytes();
        let head = Head::scan(Bytes::from(document)).unwrap();
        let mut at = 0;
        let body = head.body();
        let offset = |slice: &[u8]| slice.as_ptr() as usize - body.as_ptr() as usize;
        let mut kept = Vec::new();
        for member in head.members() {
            let (begin, value, end) = (offset(member.raw_name) - 1, offset(member.value), offset(member.value) + member.value.len());
            match last(member.name) {
                Some(Edit::Remove(_)) => kept.push(&body[at..begin]),
                Some(Edit::Set(..) | Edit::Insert(_)) => kept.push(&body[at..value]),
                None => kept.push(&body[at..end]),
            }
            at = end;
        }
        kept.push(&body[at..]);
        for byte in kept.concat() {
            if byte == b',' {
                continue;
            }
            let place = rest.iter().position(|other| *other == byte);
            prop_assert!(place.is_some(), "byte {} is missing from {}", byte, result);
            rest = &rest[place.unwrap() + 1..];
        }
    }

    #[test]
    fn an_insertion_is_that_of_the_parsed_array(elements in prop::collection::vec(value(), 0..5), index in prop::option::of(0_usize..7), element in value()) {
        let document = format!("{{\"x\": [ {} ], \"y\":1}}", elements.join(" , "));
        let insertion = Insertion { member: "x".to_owned(), index, element: element.clone() };
        let result = spliced(&document, &[Edit::Insert(insertion)]);
        let members: crate::reference::Members = serde_json::from_str(&result).expect("the result is JSON");
        let found: Vec<&RawValue> = serde_json::from_str(members.0[0].1.get()).expect("an array");

        let trimmed = |text: &str| text.trim_matches([' ', '\n', '\r', '\t']).to_owned();
        let mut wanted: Vec<_> = elements.iter().map(|text| trimmed(text)).collect();
        wanted.insert(index.unwrap_or(usize::MAX).min(wanted.len()), trimmed(&element));
        let found: Vec<_> = found.iter().map(|value| trimmed(value.get())).collect();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(members.0[1].1.get(), "1");
    }
}
