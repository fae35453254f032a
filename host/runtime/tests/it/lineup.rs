//! Lineups of several plugins, and their sessions.

mod edits;
mod headers;
mod merging;

use std::sync::Arc;

use witgate_runtime::{
    AuditNote, Envelope, Estimate, ExchangeFacts, FaultKind, Field, Hook, Lineup, Plan, Plugin,
    Receipt, Rejection, Remedy, Source, Value,
};

use crate::guest::{Guest, PLAN, on_probe};
use crate::request::{PATIENT, alone, granting, plain, probing, runtime};

fn plugin(name: &str, guest: &Guest, sidecar: &str) -> Arc<Plugin> {
    runtime()
        .admit(&Source::new(name, guest.build()).with_sidecar(granting(sidecar)))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// An envelope hook that names the tenant with `len` letters of a text, and one metadata pair.
fn tenant(len: u32) -> Guest {
    Guest::new().with(
        "envelope",
        &format!(
            "(i32.store8 (i32.const 2080) (i32.const 1))
             (i32.store (i32.const 2084) (i32.const 32))
             (i32.store (i32.const 2088) (i32.const {len}))
             (i32.store (i32.const 2128) (i32.const 4096))
             (i32.store (i32.const 2132) (i32.const 1))
             (i32.store (i32.const 4100) (i32.const {len}))
             (i32.store (i32.const 4096) (i32.const 32))"
        ),
    )
}

fn plan() -> Arc<Plan> {
    Arc::new(Plan::to("default"))
}

fn receipt(id: &str) -> Receipt {
    Receipt {
        id: id.to_owned(),
        fields: vec![Field {
            name: "usage.output_tokens".to_owned(),
            value: Value::Integer(7),
        }],
    }
}

#[test]
fn the_first_value_of_a_field_stands_and_lists_are_joined() {
    let later = plugin("a", &tenant(6), &format!("order = 2\n{PATIENT}"));
    let first = plugin("b", &tenant(2), &format!("order = 1\n{PATIENT}"));
    let lineup = Lineup::new(1, vec![later, first], &[]);
    let mut hooks = lineup.begin(plain());
    let envelope = hooks.envelope().expect("both serve");
    let trace = hooks.finish();
    assert_eq!(envelope.tenant.as_deref(), Some("it"), "the first by order");
    let names: Vec<_> = envelope
        .metadata
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["it", "it was"], "lists in order");
    let who: Vec<_> = trace.answered.iter().map(|(_, name)| &**name).collect();
    assert_eq!(who, ["b", "a"], "the trace names both");
}

#[test]
fn the_first_plan_stands_and_later_plugins_are_not_asked() {
    let none = plugin("none", &Guest::route(""), &format!("order = 1\n{PATIENT}"));
    let some = plugin(
        "some",
        &Guest::route(PLAN),
        &format!("order = 2\n{PATIENT}"),
    );
    let trap = plugin(
        "trap",
        &Guest::route(&on_probe("unreachable")),
        &format!("order = 3\n{PATIENT}"),
    );
    let lineup = Lineup::new(1, vec![trap, some, none], &[]);
    let mut hooks = lineup.begin(probing());
    let decided = hooks.route(&Arc::default(), None);
    let trace = hooks.finish();
    let plan = decided
        .expect("nobody was asked who traps")
        .expect("a plan");
    assert_eq!(plan.targets.len(), 1, "the plan as it was made");
    let who: Vec<_> = trace.answered.iter().map(|(_, name)| &**name).collect();
    assert_eq!(who, ["none", "some"], "those who were asked");
}

#[test]
fn a_session_is_put_down_and_resumed_and_lends_the_request_that_is_set() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let lineup = alone(&plugin(
        "probe",
        &Guest::route(&on_probe("unreachable")).with("envelope", ""),
        PATIENT,
    ));
    let mut hooks = is_send(lineup.begin(probing()));
    hooks.envelope().expect("its envelope hook serves");
    let trace = hooks.finish();

    let mut hooks = lineup.resume(probing(), trace);
    hooks.set_request(plain());
    let plan = hooks.route(&Arc::default(), None);
    assert!(plan.is_ok(), "the plain request is lent: {plan:?}");
    let answered: Vec<_> = hooks.finish().answered.iter().map(|it| it.0).collect();
    assert_eq!(
        answered,
        [Hook::Envelope, Hook::Route],
        "one record of both"
    );
}

#[test]
fn a_fault_stops_a_request_unless_the_plugin_fails_open() {
    for hook in ["envelope", "route", "budget"] {
        let guest = Guest::new().with(hook, &on_probe("unreachable"));
        for (fail, stops) in [("", true), ("closed", true), ("open", false)] {
            let policy = match fail {
                "" => String::new(),
                word => format!("[hooks.{hook}]\nfail = \"{word}\""),
            };
            let lineup = alone(&plugin("probe", &guest, &format!("{PATIENT}{policy}")));
            let mut hooks = lineup.begin(probing());
            let envelope = Arc::default();
            let estimate = Estimate {
                prompt_tokens: 1,
                output_tokens: 1,
                cost_picousd: None,
            };
            let result = match hook {
                "envelope" => hooks.envelope().map(drop),
                "route" => hooks.route(&envelope, None).map(drop),
                _ => hooks.charges(&envelope, &plan(), &estimate).map(drop),
            };
            let trace = hooks.finish();
            assert_eq!(result.is_err(), stops, "{hook} with fail = `{fail}`");
            assert_eq!(
                trace.skipped.len(),
                usize::from(!stops),
                "skipped is listed"
            );
        }
    }
}

#[test]
fn a_charge_goes_back_to_the_plugin_that_named_it() {
    let charges = "(i32.store (i32.const 2056) (i32.const 4096))
        (i32.store (i32.const 2060) (i32.const 1))
        (i32.store (i32.const 4096) (i32.const 32))
        (i32.store (i32.const 4100) (i32.const 2))
        (i64.store (i32.const 4120) (i64.const 100))
        (i64.store (i32.const 4128) (i64.const 7))";
    let budget = plugin("budget", &Guest::new().with("budget", charges), PATIENT);
    let lineup = alone(&budget);
    let estimate = Estimate {
        prompt_tokens: 1,
        output_tokens: 1,
        cost_picousd: None,
    };
    let mut hooks = lineup.begin(plain());
    let charges = hooks
        .charges(&Arc::default(), &plan(), &estimate)
        .expect("it serves");
    assert_eq!(charges.len(), 1, "one charge");
    let charge = &charges[0].charge;
    assert_eq!(
        (&*charge.account, charge.limit, charge.amount),
        ("it", 100, 7),
        "as named"
    );
    let remedy = hooks.exhausted(&charges[0], 3, None).expect("it answers");
    assert!(matches!(remedy, Remedy::Overdraw), "its word: {remedy:?}");
}

#[test]
fn a_required_plugin_that_is_absent_stops_every_request() {
    let there = plugin("there", &Guest::route(""), PATIENT);
    let required = ["there".to_owned(), "absent".to_owned()];
    let lineup = Lineup::new(1, vec![there], &required);
    let mut hooks = lineup.begin(plain());
    for result in [
        hooks.envelope().map(drop),
        hooks.route(&Arc::default(), None).map(drop),
    ] {
        match result {
            Err(Rejection::Fault(fault)) => {
                assert_eq!(fault.kind, FaultKind::Absent, "the gate stays shut");
                assert_eq!(&*fault.plugin, "absent", "the plugin is named");
            }
            other => panic!("a stop was expected, not {other:?}"),
        }
    }
}

#[test]
fn no_receipt_is_ever_lost() {
    let hands_back = "(i32.store (i32.const 2048) (local.get $list))
        (i32.store (i32.const 2052) (local.get $len))";
    let two = || vec![receipt("one"), receipt("two")];

    let honest = alone(&plugin(
        "honest",
        &Guest::new().with("audit", hands_back),
        PATIENT,
    ));
    let entries = honest.audit(two(), |_| true);
    assert!(
        entries.iter().all(|entry| entry.notes.is_empty()),
        "nothing to mark"
    );
    assert_eq!(entries[1].receipt, receipt("two"), "as it came back");

    let swallows = alone(&plugin(
        "swallows",
        &Guest::new().with("audit", ""),
        PATIENT,
    ));
    let entries = swallows.audit(two(), |_| true);
    assert_eq!(entries.len(), 2, "both are there");
    assert!(
        entries.iter().all(|entry| matches!(&entry.notes[..], [AuditNote::Missing { plugin }] if &**plugin == "swallows")),
        "marked as missing: {entries:?}"
    );

    let entries = faulting().audit(two(), |_| true);
    assert_eq!(entries[0].receipt, receipt("one"), "as it was");
    assert!(
        matches!(&entries[0].notes[..], [AuditNote::Fault(fault)] if fault.hook == Some(Hook::Audit)),
        "marked with the fault: {entries:?}"
    );
}

/// A plugin that hands receipts back one at a time, and traps on one whose id begins with `o` and on more than one.
fn faulting_plugin() -> Arc<Plugin> {
    let body = "(if (i32.or
            (i32.gt_u (local.get $len) (i32.const 1))
            (i32.eq (i32.load8_u (i32.load (local.get $list))) (i32.const 111)))
          (then unreachable))
        (i32.store (i32.const 2048) (local.get $list))
        (i32.store (i32.const 2052) (local.get $len))";
    plugin("faults", &Guest::new().with("audit", body), PATIENT)
}

fn faulting() -> Lineup {
    alone(&faulting_plugin())
}

#[test]
fn a_receipt_that_a_plugin_faults_on_is_held_back_and_no_other_of_its_batch() {
    let lineup = faulting();
    let ids = ["two", "three", "one", "four", "five"];
    let entries = lineup.audit(ids.map(receipt).into(), |name| name == "id");
    for (entry, id) in entries.iter().zip(ids) {
        assert_eq!(entry.receipt.id, id, "in their order");
        let is_held = id == "one";
        assert_eq!(entry.notes.len(), usize::from(is_held), "{id}: {entry:?}");
        assert_eq!(entry.receipt.fields.is_empty(), is_held, "{id}: {entry:?}");
    }
    for _ in 0..5 {
        let entries = lineup.audit(["two", "three"].map(receipt).into(), |_| false);
        assert!(
            entries.iter().all(|entry| entry.notes.is_empty()),
            "batches that fault suspend nothing: {entries:?}"
        );
    }
}

#[test]
fn receipts_that_a_plugin_faults_on_suspend_it_for_no_other() {
    let plugin = faulting_plugin();
    let lineup = alone(&plugin);
    for _ in 0..2 {
        for _ in 0..5 {
            let entries = lineup.audit(vec![receipt("one")], |_| false);
            assert!(
                matches!(&entries[0].notes[..], [AuditNote::Fault(fault)] if fault.kind.code() == "trap"),
                "it is asked each time: {entries:?}"
            );
        }
        let entries = lineup.audit(vec![receipt("two")], |_| false);
        assert!(entries[0].notes.is_empty(), "it answers: {entries:?}");
        assert_eq!(entries[0].receipt, receipt("two"), "with all it gives");
        assert_eq!(plugin.suspended(), None, "it is suspended for nobody");
    }
}

#[test]
fn a_plugin_that_faults_on_every_receipt_is_asked_once_about_each() {
    let plugin = faulting_plugin();
    let ids: Vec<String> = (0..32).map(|number| format!("o{number}")).collect();
    let receipts = ids.iter().map(|id| receipt(id)).collect();
    let entries = alone(&plugin).audit(receipts, |_| false);
    assert!(
        entries.iter().all(|entry| entry.notes.len() == 1),
        "each is held back: {entries:?}"
    );
    assert_eq!(
        plugin.metrics().faults.get("trap"),
        Some(&33),
        "and once about all of them together"
    );
}

#[test]
fn a_receipt_over_the_limits_is_held_back_and_suspends_nothing() {
    let hands_back = "(i32.store (i32.const 2048) (local.get $list))
        (i32.store (i32.const 2052) (local.get $len))";
    let sidecar = format!("{PATIENT}copy_bytes = 8192\n");
    let lineup = alone(&plugin(
        "small",
        &Guest::new().with("audit", hands_back),
        &sidecar,
    ));
    let large = |id: &str| {
        let mut large = receipt(id);
        large.fields.push(Field {
            name: "metadata.large".to_owned(),
            value: Value::Text("x".repeat(9000)),
        });
        large
    };
    for _ in 0..5 {
        let receipts = vec![receipt("one"), large("two"), receipt("three")];
        let entries = lineup.audit(receipts, |name| name != "metadata.large");
        let kinds: Vec<_> = entries
            .iter()
            .map(|entry| match &entry.notes[..] {
                [AuditNote::Fault(fault)] => Some(fault.kind),
                _ => None,
            })
            .collect();
        assert_eq!(
            kinds,
            [None, Some(FaultKind::RequestTooLarge), None],
            "only the large one, and the plugin is never suspended"
        );
        assert_eq!(entries[1].receipt, receipt("two"), "without what was large");
    }
}

#[test]
fn receipts_are_held_back_while_a_required_plugin_is_absent() {
    let lineup = Lineup::new(1, Vec::new(), &["audit".to_owned()]);
    let entries = lineup.audit(vec![receipt("one")], |_| false);
    assert!(
        matches!(&entries[0].notes[..], [AuditNote::Absent { plugin }] if &**plugin == "audit"),
        "it may be the one that would have dropped it: {entries:?}"
    );
    assert!(entries[0].receipt.fields.is_empty(), "{entries:?}");
    let facts = ExchangeFacts::default();
    assert!(lineup.needs_audit(&facts), "and it is known beforehand");
}

#[test]
fn a_lineup_without_plugins_has_no_opinion() {
    let lineup = Lineup::default();
    let mut hooks = lineup.begin(plain());
    let envelope = Arc::new(hooks.envelope().expect("no plugin rejects it"));
    assert_eq!(*envelope, Envelope::default(), "nothing is known");
    let plan = hooks.route(&envelope, None);
    assert!(matches!(plan, Ok(None)), "no plan");
    assert_eq!(
        lineup.audit(vec![receipt("one")], |_| true).len(),
        1,
        "receipts pass"
    );
}
