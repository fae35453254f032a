//! The memory of a call in a plugin of the SDK: facts that the host lends, and copies that the plugin keeps.

use std::sync::Arc;

use witgate_artifacts::KEEPER;
use witgate_runtime::{
    Body, Caller, Envelope, Lineup, PlainRequest, Plugin, Request, Runtime, RuntimeOptions,
};

use crate::request::{PATIENT, alone, source};

/// Calls whose facts the plugin keeps.
const KEPT: usize = 64;
/// Calls after which the memory of an instance no longer grows: what is kept lies where facts were, in places of many sizes.
const WARM: usize = 10_000;
/// Length of a fact that fits into no chunk, in bytes.
const LARGE: usize = 100_000;

fn pairs(count: usize) -> Vec<(String, String)> {
    let pair = |index: usize| (format!("name-{index}"), format!("the value of {index}"));
    (0..count)
        .map(pair)
        .chain([("team".into(), "blue".into())])
        .collect()
}

/// A request with many facts, `large` bytes of them in one member.
fn request(number: usize, large: usize) -> Arc<dyn Request> {
    // Of one length, so that calls differ in nothing but their values.
    let number = format!("{number:06}");
    let caller = Caller {
        key_id: "k1".to_owned(),
        tenant: Some("acme".to_owned()),
        user: Some("ann".to_owned()),
        tier: Some("free".to_owned()),
        labels: pairs(10),
    };
    let large = "x".repeat(large);
    let body = format!(r#"{{"team":"blue","large":"{large}"}}"#);
    Arc::new(
        PlainRequest::new("messages", "POST", "/v1/messages")
            .with_id(format!("request-{number}"))
            .with_headers([("x-number", number), ("x-team", "red".to_owned())])
            .with_caller(caller)
            .with_user_id("u1".to_owned())
            .with_head_attributes(pairs(5))
            .with_tools(vec!["bash".to_owned(); 10])
            .with_body(Body::try_json(body).expect("a body")),
    )
}

fn context() -> Arc<Envelope> {
    Arc::new(Envelope {
        session: Some("s1".to_owned()),
        metadata: pairs(10),
        attributes: pairs(10),
        ..Envelope::default()
    })
}

/// Calls the plugin, and returns the number that it kept the longest, and the bytes of this call's facts.
fn call(lineup: &Lineup, number: usize, large: usize, context: &Arc<Envelope>) -> (usize, usize) {
    let mut hooks = lineup.begin(request(number, large));
    let plan = hooks.route(context, None).expect("it serves");
    let rule = plan.and_then(|plan| plan.rule).expect("a rule");
    let (oldest, bytes) = rule.split_once(' ').expect("two numbers");
    (
        oldest.parse().expect("a number"),
        bytes.parse().expect("a number"),
    )
}

/// A runtime of its own, whose memory is that of the plugin's only instance.
fn keeper() -> (Runtime, Arc<Plugin>) {
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let sidecar = format!("{PATIENT}live_instances = 1\n");
    let plugin = runtime
        .admit(&source(KEEPER.bytes(), &sidecar))
        .unwrap_or_else(|error| panic!("{error}"));
    (runtime, plugin)
}

#[test]
fn a_hundred_thousand_calls_take_no_more_memory_than_the_first_ones_and_copies_stay_right() {
    let (runtime, plugin) = keeper();
    let (lineup, context) = (alone(&plugin), context());
    let mut warm = 0;
    for number in 0..100_000 {
        let (oldest, bytes) = call(&lineup, number, 10, &context);
        assert!(bytes > 800, "many facts: {bytes} bytes");
        let expected = (number + 1).saturating_sub(KEPT);
        assert_eq!(oldest, expected, "what it kept {KEPT} calls ago");
        if number == WARM {
            warm = runtime.memory().0;
        }
    }
    assert_eq!(runtime.memory().0, warm, "bytes of memory");
    let figures = plugin.metrics();
    assert_eq!(figures.instances_created, 1, "all by one instance");
}

#[test]
fn more_facts_than_a_chunk_holds_are_served_and_their_memory_is_given_back() {
    let (runtime, plugin) = keeper();
    let (lineup, context) = (alone(&plugin), context());
    let (_, small) = call(&lineup, 0, 0, &context);
    let mut warm = 0;
    for number in 1..1_000 {
        let (_, bytes) = call(&lineup, number, LARGE, &context);
        assert!(bytes >= small + LARGE, "with the large fact: {bytes}");
        if number == 3 * KEPT {
            warm = runtime.memory().0;
        }
    }
    assert_eq!(
        runtime.memory().0,
        warm,
        "what a call took, the next reuses"
    );
    let (_, bytes) = call(&lineup, 1, 0, &context);
    assert_eq!(bytes, small, "and so does a small one");
}
