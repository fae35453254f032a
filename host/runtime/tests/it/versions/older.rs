//! The records of version 0.2, to and from those of the newest version.

use std::sync::Arc;

use witgate_runtime::{
    Disconnect, Edit, Envelope, Field, Insertion, Lineup, Plan, Receipt, RetryReason, Unit, Value,
    Window,
};

use super::ESTIMATE;
use crate::guest::{BASE, Guest};
use crate::layout::{Layout, words};
use crate::request::{PATIENT, admit, alone, plain, route};

/// The plan of a 0.2 plugin with these reasons and attributes.
fn planned(retry_on: &[&str], attributes: &[(&str, &str)]) -> Plan {
    let mut layout = Layout::default();
    let upstream = layout.text("default");
    let target = [upstream.to_vec(), vec![0; 7]].concat();
    let lists = [
        layout.list(&[target]),
        layout.texts(retry_on),
        layout.pairs(attributes),
    ];
    let body = words(2056, &[1, 0, 0, 0]) + &words(2072, &lists.concat());
    let guest = Guest::route(&body).extra(&layout.data()).version(BASE);
    let plan = route(&admit(&guest, PATIENT), &plain());
    plan.expect("it serves").expect("it plans")
}

#[test]
fn the_attributes_of_a_plan_that_are_members_now_become_members() {
    let plan = planned(
        &["timeout", "full-moon"],
        &[
            ("else", "1"),
            ("retries", "2"),
            ("client-gone", "drain"),
            ("resource", "house"),
        ],
    );
    let expected = Plan {
        retry_on: Some(vec![
            RetryReason::Timeout,
            RetryReason::Other("full-moon".to_owned()),
        ]),
        retries: Some(2),
        on_disconnect: Some(Disconnect::Drain),
        resource: Some("house".to_owned()),
        attributes: vec![("else".to_owned(), "1".to_owned())],
        ..Plan::to("default")
    };
    assert_eq!(plan, expected, "the members, and the other attribute");
}

#[test]
fn attributes_of_a_plan_that_mean_nothing_stay_attributes() {
    let attributes = [("retries", "many"), ("client-gone", "sulk")];
    let plan = planned(&[], &attributes);
    let expected = Plan {
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Plan::to("default")
    };
    assert_eq!(
        plan, expected,
        "as they were given; no reason is all reasons"
    );
}

#[test]
fn a_budget_hook_sees_members_as_attributes_and_its_codes_become_cases() {
    let mut layout = Layout::default();
    let total = layout.text("total");
    let bananas = layout.text("bananas");
    // The plan begins at 124, behind the handle and the envelope; the account is the value of its first attribute.
    let first = |list: u32, element: u32, at: u32| {
        let list = format!("(i32.load offset={list} (local.get $a))");
        format!(
            "(i32.store (i32.const {at}) (i32.load offset={element} {list}))
             (i32.store (i32.const {}) (i32.load offset={} {list}))",
            at + 4,
            element + 4
        )
    };
    let charge = words(2056, &[4096, 2])
        + &first(124 + 28, 8, 4096)
        + &words(4104, &total)
        + &words(4112, &bananas)
        + &words(4120, &[100, 0, 7, 0])
        // The window of the second is the first reason of the plan.
        + &first(124 + 28, 0, 4136)
        + &first(124 + 20, 0, 4144);
    let guest = Guest::new()
        .with(
            "budget",
            &format!("(if (i32.load offset=156 (local.get $a)) (then {charge}))"),
        )
        .extra(&layout.data())
        .version(BASE);
    let lineup = alone(&admit(&guest, PATIENT));
    let plan = Arc::new(Plan {
        retry_on: Some(vec![RetryReason::RateLimit]),
        retries: Some(3),
        ..Plan::to("default")
    });
    let charges = lineup
        .begin(plain())
        .charges(&Arc::default(), &plan, &ESTIMATE)
        .expect("it serves");
    let first = &charges[0].charge;
    assert_eq!(first.account, "3", "the retries");
    assert_eq!(first.window, Window::Total, "a code that is known");
    assert_eq!(
        first.unit,
        Unit::Other("bananas".to_owned()),
        "a code that is not"
    );
    assert_eq!((first.limit, first.amount), (100, 7), "the numbers");
    let second = &charges[1].charge;
    assert_eq!(second.account, "retries", "the name of the attribute");
    assert_eq!(
        second.window,
        Window::Other("rate-limit".to_owned()),
        "the reason by its code"
    );
}

#[test]
fn an_edit_that_the_older_version_does_not_know_is_left_out_of_what_it_sees() {
    // Plans if there is one edit, the second list of the envelope behind the handle.
    let body = format!(
        "(if (i32.eq (i32.const 1) (i32.load offset=104 (local.get $a))) (then {}))",
        crate::guest::PLAN
    );
    let lineup = alone(&admit(&Guest::route(&body).version(BASE), PATIENT));
    let insertion = Insertion {
        member: "tools".to_owned(),
        index: None,
        element: "{}".to_owned(),
    };
    let envelope = Arc::new(Envelope {
        edits: vec![Edit::Insert(insertion), Edit::Remove("vmx".to_owned())],
        ..Envelope::default()
    });
    let plan = lineup.begin(plain()).route(&envelope, None);
    assert!(plan.expect("it serves").is_some(), "one of two");
}

#[test]
fn receipts_of_the_older_version_go_through_whole() {
    let hands_back = "(i32.store (i32.const 2048) (local.get $list))
        (i32.store (i32.const 2052) (local.get $len))";
    let plugin = admit(
        &Guest::new().with("audit", hands_back).version(BASE),
        PATIENT,
    );
    let receipt = Receipt {
        id: "one".to_owned(),
        fields: vec![
            field("text", Value::Text("ü".to_owned())),
            field("number", Value::Integer(-7)),
            field("flag", Value::Flag(true)),
        ],
    };
    let lineup = Lineup::new(1, vec![plugin], &[]);
    let entries = lineup.audit(vec![receipt.clone()], |_| false);
    assert!(entries[0].notes.is_empty(), "no note: {entries:?}");
    assert_eq!(entries[0].receipt, receipt, "as it was sent");
}

fn field(name: &str, value: Value) -> Field {
    Field {
        name: name.to_owned(),
        value,
    }
}
