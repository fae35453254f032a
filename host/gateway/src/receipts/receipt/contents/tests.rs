use std::sync::Arc;
use std::time::Duration;

use witgate_capacity::{Cause, Limit, Refused as NoRoom, Unit, Window};
use witgate_runtime::Envelope;

use super::super::line::write_in_order;
use super::super::{Attempt, Downgrade, RequestFacts, RouteFacts, UsageFacts};
use super::*;

fn without_room(upstream: &str) -> WithoutRoom {
    WithoutRoom {
        upstream: upstream.to_owned(),
        no_room: NoRoom {
            resource: "a".into(),
            limit: Limit {
                unit: Unit::Tokens,
                window: Window::Minute,
                amount: 1,
            },
            cause: Cause::Shortage {
                gave_way_to: Some("b".into()),
            },
            retry_after: Some(Duration::from_secs(1)),
        },
    }
}

#[test]
fn the_line_of_a_receipt_with_all_facts_is_written_without_a_tree() {
    let text = |text: &str| Some(text.to_owned());
    let receipt = Receipt {
        request: RequestFacts {
            model: text("a"),
            envelope: Some(Arc::new(Envelope {
                tenant: text("t"),
                metadata: vec![("team".to_owned(), "x".to_owned())],
                ..Envelope::default()
            })),
            ..RequestFacts::default()
        },
        route: RouteFacts {
            downgrade: Some(Downgrade {
                from: None,
                to: "b".to_owned(),
                account: "user:u".to_owned(),
                plugin: "route".into(),
            }),
            attempts: ["one", "two"]
                .map(|upstream| Attempt {
                    upstream: upstream.to_owned(),
                    model: text("b"),
                    credential: Some("first".into()),
                    moved_from: Some("second".into()),
                    request_id: text("r"),
                    result: Ok(200),
                    translated: None,
                })
                .into(),
            passed_over: vec![("three".to_owned(), "open".to_owned())],
            without_room: ["four", "five"].map(without_room).into(),
            ..RouteFacts::default()
        },
        usage: UsageFacts {
            reading: Some(Reading {
                source: Source::Reported,
                model: text("b"),
                ..Reading::default()
            }),
            overdrawn: vec!["user:u".to_owned()],
            ..UsageFacts::default()
        },
        left_out: 1,
        ..Receipt::default()
    };
    let fields = receipt.fields(&Lineup::new(1, Vec::new(), &[])).fields;
    let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
    assert!(
        write_in_order(&fields, &mut Vec::new()).is_some(),
        "no object is opened twice: {names:?}"
    );
}
