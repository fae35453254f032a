//! The scan reads what `serde_json` reads.

use bytes::Bytes;
use proptest::prelude::*;
use witgate_messages::{Head, Malformed, Scanner};

use crate::documents::{captures, request};
use crate::reference::{Judged, Members, Read, judge};

fn scan(document: &[u8]) -> Result<Head, Malformed> {
    Head::scan(Bytes::copy_from_slice(document))
}

fn facts(head: &Head) -> Read {
    Read {
        members: head
            .members()
            .map(|member| {
                (
                    member.name.to_owned(),
                    String::from_utf8(member.value.to_vec()).unwrap(),
                )
            })
            .collect(),
        model: head.model().map(Into::into),
        stream: head.stream(),
        max_tokens: head.max_tokens(),
        message_count: head.message_count() as usize,
        tool_count: head.tool_count() as usize,
        user_id: head.user_id().map(Into::into),
    }
}

#[test]
fn every_recorded_body_reads_as_serde_json_reads_it() {
    for (name, body) in captures() {
        let Judged::Read(wanted) = judge(&body) else {
            panic!("{name} is a valid request")
        };
        let head = scan(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(facts(&head), wanted, "{name}");
        let tools: Vec<_> = head.tools().collect();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let wanted: Vec<_> = value["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert_eq!(tools, wanted, "tools of {name}");
        assert_eq!(
            head.member("model"),
            wanted_member(&value, "model").as_deref(),
            "raw model of {name}"
        );
    }
}

fn wanted_member(value: &serde_json::Value, name: &str) -> Option<String> {
    value.get(name).map(ToString::to_string)
}

#[test]
fn every_prefix_of_a_recorded_body_is_refused_where_it_ends() {
    for (name, body) in captures() {
        let step = if body.len() > 8_000 { 97 } else { 1 };
        for end in (0..body.len()).step_by(step).chain([body.len() - 1]) {
            let error = scan(&body[..end]).expect_err("a prefix is no document");
            assert_eq!(error.offset, end, "{name} cut at {end}: {error}");
        }
    }
}

#[test]
fn the_prompt_estimate_follows_text_and_not_pictures() {
    let text = "word ".repeat(10_000);
    let picture = "iVBORw0KGgo".repeat(60_000);
    let of = |content: &str| {
        scan(format!(r#"{{"messages":[{{"role":"user","content":"{content}"}}]}}"#).as_bytes())
            .unwrap()
            .prompt_tokens()
    };
    assert!(
        (12_500..12_520).contains(&of(&text)),
        "four bytes of text make a token: {}",
        of(&text)
    );
    assert!(
        (1_200..1_700).contains(&of(&picture)),
        "660 kB of base64 are a picture: {}",
        of(&picture)
    );
}

#[test]
fn the_last_name_of_a_tool_counts_and_nameless_tools_are_passed_over() {
    let head = scan(
        br#"{"tools":[{"name":"a","n\u0061me":"b"}, {}, 7, {"name":null}, {"name":"\u0063"}]}"#,
    )
    .unwrap();
    assert_eq!(
        head.tools().collect::<Vec<_>>(),
        ["b", "c"],
        "names as other readers see them"
    );
    assert_eq!(head.tool_count(), 5, "all elements count");
}

#[test]
fn null_is_the_same_as_absent() {
    let head =
        scan(br#"{"model":null,"stream":null,"max_tokens":null,"tools":null,"metadata":null}"#)
            .unwrap();
    assert_eq!(
        facts(&head),
        Read {
            members: facts(&head).members,
            ..Read::default()
        },
        "nothing is there"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_random_request_reads_as_serde_json_reads_it(document in request()) {
        let Judged::Read(wanted) = judge(document.as_bytes()) else { panic!("not a request: {document}") };
        for scanner in [Scanner::Fastest, Scanner::Portable] {
            let head = Head::scan_with(Bytes::from(document.clone()), scanner);
            prop_assert!(head.is_ok(), "{:?}", head);
            prop_assert_eq!(&facts(&head.unwrap()), &wanted);
        }
        let head = scan(document.as_bytes()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&document).unwrap();
        let tools = value.get("tools").and_then(|tools| tools.as_array()).cloned().unwrap_or_default();
        prop_assert_eq!(head.tools().collect::<Vec<_>>(), tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>());
        for (name, text) in &wanted.members {
            prop_assert_eq!(head.member(name), Some(text.as_str()));
        }
    }

    #[test]
    fn a_damaged_request_never_reads_otherwise_than_serde_json_reads_it(
        document in request(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..3, any::<prop::sample::Index>()), 1..4),
    ) {
        const BYTES: &[u8] = b"\"\\{}[]:,0 \n\tntu-\x01\x80\xc3e";
        let mut damaged = document.into_bytes();
        for (place, way, byte) in damage {
            let byte = BYTES[byte.index(BYTES.len())];
            let place = place.index(damaged.len().max(1));
            match way {
                0 => damaged.insert(place, byte),
                1 if place < damaged.len() => damaged[place] = byte,
                _ => drop(damaged.drain(place..(place + 1).min(damaged.len()))),
            }
        }
        let head = scan(&damaged);
        let portable = Head::scan_with(Bytes::from(damaged.clone()), Scanner::Portable);
        prop_assert_eq!(head.as_ref().map(facts), portable.as_ref().map(facts), "both scanners agree");
        match (judge(&damaged), head) {
            (Judged::Read(wanted), Ok(head)) => prop_assert_eq!(facts(&head), wanted),
            (Judged::Read(_), Err(error)) => prop_assert!(false, "refused: {}", error),
            (Judged::Refused, head) => prop_assert!(head.is_err(), "two readers would differ"),
            (Judged::Invalid, Err(_)) => {}
            // Only what lies below the top level may be invalid in what is accepted.
            (Judged::Invalid, Ok(head)) => {
                let hollow: Vec<_> = head.members().map(|member| {
                    let value = match member.value[0] {
                        b'{' | b'[' => "null",
                        _ => std::str::from_utf8(member.value).unwrap(),
                    };
                    format!("\"{}\":{value}", std::str::from_utf8(member.raw_name).unwrap())
                }).collect();
                let hollow = format!("{{{}}}", hollow.join(","));
                let Members(members) = serde_json::from_str(&hollow).expect("the top level is valid JSON");
                let names: Vec<_> = head.members().map(|member| member.name.to_owned()).collect();
                prop_assert_eq!(members.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), names);
            }
        }
    }
}
