//! Conditions of the hook `audit`, by which receipts are not even made.

use std::cell::Cell;
use std::sync::Arc;

use witgate_runtime::{Envelope, ExchangeFacts, FinishedExchange, Hook, Lineup, Plugin, Receipt};

use super::stated::Interest;
use super::{AUDIT, attribute, interested};
use crate::request::{PATIENT, admit, alone, runtime, source};

/// An exchange that counts how often its receipt is made.
#[derive(Default)]
struct Exchange<'a> {
    facts: ExchangeFacts<'a>,
    made: Cell<u32>,
}

// === impl Exchange ===

impl FinishedExchange for Exchange<'_> {
    fn facts(&self) -> ExchangeFacts<'_> {
        self.facts
    }

    fn receipt(&self) -> Receipt {
        self.made.set(self.made.get() + 1);
        Receipt {
            id: "r1".to_owned(),
            fields: Vec::new(),
        }
    }
}

fn of(facts: ExchangeFacts<'_>) -> Exchange<'_> {
    Exchange {
        facts,
        ..Exchange::default()
    }
}

/// An audit plugin that is interested in these receipts.
fn auditing(interest: &Interest) -> Arc<Plugin> {
    let interest = Interest {
        hook: AUDIT,
        ..interest.clone()
    };
    admit(&interested(&[interest]).with("audit", ""), PATIENT)
}

/// Returns how often the audit hook was called, and not called for want of interest.
fn calls(plugin: &Plugin) -> (u64, u64) {
    let metrics = plugin.metrics();
    let of_hook = &metrics.hooks[&Hook::Audit];
    (of_hook.calls, of_hook.left_out)
}

fn messages() -> ExchangeFacts<'static> {
    ExchangeFacts {
        are_complete: true,
        endpoint: Some("messages"),
        tier: Some("free"),
        model: Some("claude-small"),
        ..ExchangeFacts::default()
    }
}

#[test]
fn a_receipt_that_interests_no_plugin_is_not_made() {
    let plugin = auditing(&Interest {
        endpoints: Some(&[]),
        ..Interest::default()
    });
    let (calls_before, _) = calls(&plugin);
    let exchanges = [of(messages()), of(ExchangeFacts::default())];
    let entries = alone(&plugin).audit_finished(&exchanges, |_| true);
    assert!(
        matches!(&entries[..], [None, None]),
        "nothing changed: {entries:?}"
    );
    let made = exchanges.iter().map(|exchange| exchange.made.get());
    assert_eq!(made.sum::<u32>(), 0, "none is made");
    assert_eq!(calls(&plugin), (calls_before, 2), "not asked, and counted");
}

#[test]
fn receipts_go_to_the_plugins_that_are_interested_in_them() {
    let paid = auditing(&Interest {
        tiers: Some(&["paid"]),
        ..Interest::default()
    });
    let all = admit(&interested(&[]).with("audit", ""), PATIENT);
    let paying = ExchangeFacts {
        tier: Some("paid"),
        ..messages()
    };
    let before = (calls(&paid).0, calls(&all).0);
    let both = Lineup::new(1, vec![Arc::clone(&paid), Arc::clone(&all)], &[]);
    let exchanges = [messages(), paying, messages()].map(of);
    let entries = both.audit_finished(&exchanges, |_| true);
    assert!(entries.iter().all(Option::is_some), "{entries:?}");
    assert_eq!(calls(&paid), (before.0 + 1, 2), "one of three");
    assert_eq!(calls(&all).0, before.1 + 1, "all in one call");

    let one = alone(&paid);
    let exchanges = [messages(), paying, messages()].map(of);
    let entries = one.audit_finished(&exchanges, |_| true);
    let is_made = entries.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(is_made, [false, true, false], "in the exchanges' order");
    assert_eq!(calls(&paid), (before.0 + 2, 4), "one of three again");
}

#[test]
fn conditions_on_receipts_are_decided_by_what_is_known_of_the_exchange() {
    let house = Envelope {
        resource: Some("house".to_owned()),
        secondary_index: Some(0),
        ..attribute("team")
    };
    let known = ExchangeFacts {
        context: Some(&house),
        ..messages()
    };
    let bare = ExchangeFacts {
        are_complete: true,
        ..ExchangeFacts::default()
    };
    let unknown = ExchangeFacts::default();
    let batch = ExchangeFacts {
        had_other_models: true,
        ..messages()
    };
    let on = |set: fn(&mut Interest)| {
        let mut interest = Interest::default();
        set(&mut interest);
        interest
    };
    let only = |it: &mut Interest| it.endpoints = Some(&["messages"]);
    let table = [
        (on(only), known, true, "the operation"),
        (on(only), bare, false, "there was none"),
        (on(only), unknown, true, "it can't be decided"),
        (
            on(|it| it.endpoints = Some(&["batches"])),
            known,
            false,
            "another operation",
        ),
        (
            on(|it| it.except_endpoints = Some(&["messages"])),
            known,
            false,
            "it is excepted",
        ),
        (
            on(|it| it.except_endpoints = Some(&["messages"])),
            unknown,
            true,
            "it may be another",
        ),
        (on(|it| it.tiers = Some(&["free"])), known, true, "the tier"),
        (on(|it| it.tiers = Some(&["paid"])), known, false, "another"),
        (
            on(|it| it.tiers = Some(&["paid"])),
            unknown,
            true,
            "any tier",
        ),
        (on(|it| it.tiers = Some(&["paid"])), bare, false, "no tier"),
        (
            on(|it| it.models = Some(&["claude-*"])),
            known,
            true,
            "the model",
        ),
        (
            on(|it| it.models = Some(&["house"])),
            known,
            true,
            "the resource",
        ),
        (
            on(|it| it.models = Some(&["other"])),
            known,
            false,
            "another model",
        ),
        (
            on(|it| it.models = Some(&["other"])),
            batch,
            true,
            "a batch may have named it",
        ),
        (on(|it| it.models = Some(&[])), batch, false, "no model"),
        (on(|it| it.models = Some(&["*"])), bare, true, "any model"),
        (
            on(|it| it.models = Some(&["other"])),
            bare,
            false,
            "none was named",
        ),
        (
            on(|it| it.models = Some(&["other"])),
            unknown,
            true,
            "it may be that",
        ),
        (
            on(|it| it.attributes = Some(&["team"])),
            known,
            true,
            "the attribute",
        ),
        (
            on(|it| it.attributes = Some(&["else"])),
            known,
            false,
            "another attribute",
        ),
        (
            on(|it| it.attributes = Some(&["else"])),
            unknown,
            true,
            "it may have had it",
        ),
        (
            on(|it| it.secondary_index = true),
            known,
            true,
            "it had one",
        ),
        (on(|it| it.secondary_index = true), bare, false, "none"),
        (on(|it| it.secondary_index = true), unknown, true, "maybe"),
    ];
    for (interest, facts, expected, why) in table {
        let lineup = alone(&auditing(&interest));
        assert_eq!(lineup.needs_audit(&facts), expected, "{why}: {interest:?}");
    }
}

#[test]
fn conditions_that_receipts_cannot_decide_are_a_problem() {
    let headers = Interest {
        headers: Some(&["x-team"]),
        hook: AUDIT,
        ..Interest::default()
    };
    let members = Interest {
        members: Some(&["system"]),
        hook: AUDIT,
        ..Interest::default()
    };
    for interest in [headers, members] {
        let guest = interested(&[interest]).with("audit", "");
        let refused = runtime().admit(&source(guest.build(), PATIENT));
        let text = refused.expect_err("it is refused").to_string();
        assert!(
            text.contains("headers or by members of the body, which receipts do not have"),
            "{text}"
        );
    }
}

#[test]
fn a_condition_on_the_model_of_receipts_needs_no_grant_of_the_body() {
    let interest = Interest {
        models: Some(&["claude-*"]),
        hook: AUDIT,
        ..Interest::default()
    };
    let guest = interested(&[interest]).with("audit", "");
    let sidecar = format!("{PATIENT}[grants]\nbody = \"none\"\n");
    runtime()
        .admit(&source(guest.build(), &sidecar))
        .expect("receipts have it");
}
