//! A plugin of version 0.2, as a compiler makes it, beside one of the newest version.

use std::sync::Arc;

use witgate_artifacts::{Artifact, OLDER, SWAP_A};
use witgate_runtime::{
    Caller, Envelope, FaultKind, Field, Head, Lineup, PlainRequest, Plan, Plugin, Receipt,
    Rejection, Request, RetryReason, Source, Unit, UpstreamStats, Upstreams, Value, Window,
};

use super::ESTIMATE;
use crate::request::{PATIENT, granting, runtime};

fn plugin(artifact: Artifact, order: i64) -> Arc<Plugin> {
    let sidecar = granting(&format!("order = {order}\n{PATIENT}"));
    let source = Source::new(artifact.name(), artifact.bytes()).with_sidecar(sidecar);
    runtime()
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn lineup() -> Lineup {
    Lineup::new(1, vec![plugin(OLDER, 1), plugin(SWAP_A, 2)], &[])
}

fn request(headers: &[(&str, &str)]) -> Arc<dyn Request> {
    let caller = Caller {
        key_id: "k1".to_owned(),
        tenant: Some("acme".to_owned()),
        ..Caller::default()
    };
    let head = Head {
        model: Some("small".to_owned()),
        ..Head::default()
    };
    Arc::new(
        PlainRequest::new("messages", "POST", "/v1/messages")
            .with_headers(headers.iter().copied())
            .with_caller(caller)
            .with_head(head)
            .with_user_id("ann".to_owned()),
    )
}

#[test]
fn it_is_told_all_that_it_knows_and_serves_beside_the_newer_one() {
    let lineup = lineup();
    let mut hooks = lineup.begin(request(&[]));
    let envelope = Arc::new(hooks.envelope().expect("both serve"));
    let expected = Envelope {
        tenant: Some("acme".to_owned()),
        user: Some("ann".to_owned()),
        session: Some("small".to_owned()),
        response_headers: vec![("x-swap".to_owned(), "a".to_owned())],
        ..Envelope::default()
    };
    assert_eq!(*envelope, expected, "the caller, the head, and the other's");

    let stats = UpstreamStats {
        name: "first".to_owned(),
        ..UpstreamStats::default()
    };
    let upstreams: Arc<dyn Upstreams> = Arc::new(vec![stats]);
    let plan = hooks
        .route(&envelope, Some(upstreams))
        .expect("it serves")
        .expect("it plans");
    let expected = Plan {
        rule: Some("acme".to_owned()),
        retry_on: Some(vec![RetryReason::Timeout]),
        retries: Some(1),
        ..Plan::to("first")
    };
    assert_eq!(plan, expected, "the envelope and the upstreams");

    let charges = hooks
        .charges(&envelope, &Arc::new(plan), &ESTIMATE)
        .expect("it serves");
    let charge = &charges[0].charge;
    assert_eq!(
        (&*charge.account, &charge.window, &charge.unit),
        ("rule:acme", &Window::Total, &Unit::Requests),
        "the plan"
    );
    let answered = hooks.finish().answered.len();
    assert_eq!(answered, 4, "two envelopes, a plan, charges");
}

#[test]
fn its_receipts_come_back_whole() {
    let receipt = Receipt {
        id: "r1".to_owned(),
        fields: vec![Field {
            name: "tokens".to_owned(),
            value: Value::Integer(7),
        }],
    };
    let entries = lineup().audit(vec![receipt.clone()], |_| false);
    assert!(entries[0].notes.is_empty(), "no note: {entries:?}");
    assert_eq!(entries[0].receipt.field("tokens"), receipt.field("tokens"));
    assert_eq!(
        entries[0].receipt.field("older"),
        Some(&Value::Flag(true)),
        "with its own"
    );
}

#[test]
fn a_request_that_it_keeps_is_a_fault_of_that_call() {
    let lineup = lineup();
    let leaking = request(&[("x-hostile", "envelope:leak")]);
    match lineup.begin(leaking).envelope() {
        Err(Rejection::Fault(fault)) => {
            assert_eq!(fault.kind, FaultKind::Contract, "{fault}");
            assert_eq!(&*fault.plugin, "older", "{fault}");
        }
        other => panic!("a fault was expected: {other:?}"),
    }
    let next = lineup.begin(request(&[])).envelope();
    assert!(next.is_ok(), "the next call is well: {next:?}");
}
