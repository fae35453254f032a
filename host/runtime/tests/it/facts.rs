//! The facts that a guest asks for during a call.

mod bounds;

use std::sync::Arc;

use witgate_runtime::{
    Body, Caller, Endpoint, Envelope, Field, PlainRequest, Plan, Receipt, Request, Target,
    UpstreamStats, Upstreams, Value,
};

use crate::guest::{Guest, NEWEST, PLAN};
use crate::layout::{Layout, words};
use crate::request::{PATIENT, admit, alone};
use crate::versions::ESTIMATE;

/// The parameters and results of a function without arguments whose answer is stored at an address.
const ASK: &str = "(param i32)";
/// The same with a text as its argument.
const ASK_OF: &str = "(param i32 i32 i32)";

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn request() -> Arc<dyn Request> {
    let caller = Caller {
        key_id: "k1".to_owned(),
        tenant: Some("acme".to_owned()),
        user: Some("ann".to_owned()),
        tier: Some("free".to_owned()),
        labels: pairs(&[("team", "search"), ("site", "zurich")]),
    };
    let body = Body::try_json(r#"{"model":"m","team":"x"}"#.to_owned()).unwrap();
    Arc::new(
        PlainRequest::new("count-tokens", "POST", "/v1/x?y")
            .with_id("r1")
            .with_headers([("Team", "red"), ("team-2", "blue")])
            .with_caller(caller)
            .with_user_id("u1".to_owned())
            .with_head_attributes(pairs(&[("models", "a b")]))
            .with_tools(vec!["bash".to_owned()])
            .with_body(body),
    )
}

fn context() -> Envelope {
    Envelope {
        resource: Some("house".to_owned()),
        session: Some("s1".to_owned()),
        agent: Some("a1".to_owned()),
        metadata: pairs(&[("team", "meta")]),
        attributes: pairs(&[("team", "attribute")]),
        timeout_ms: Some(7),
        ..Envelope::default()
    }
}

fn upstreams() -> Arc<dyn Upstreams> {
    let stats = ["team", "other", ""].map(|name| UpstreamStats {
        name: name.to_owned(),
        in_flight: 3,
        requests: 5,
        errors: 2,
        attributes: pairs(&[("region", "eu")]),
    });
    Arc::new(stats.to_vec())
}

/// A function of the contract and the address of the text in its answer, stored from 3072 on; `team` is its argument.
type Told = (&'static str, &'static str, u32, &'static str);

/// The text behind an address.
fn behind(address: &str, offset: u32) -> String {
    format!(
        "(local.set $p (i32.add (i32.const {offset}) {address}))
         (local.set $i (i32.load offset=4 (local.get $p)))
         (local.set $p (i32.load (local.get $p)))"
    )
}

/// The text at an address where an answer begins, or the first one of the list there.
fn read(place: u32) -> String {
    match place {
        // A list of pairs, or of texts: the last text of its first element.
        FIRST_VALUE => behind("(i32.load (i32.const 3076))", 8),
        FIRST_TEXT => behind("(i32.load (i32.const 3076))", 0),
        FIRST_NAME => behind("(i32.load (i32.const 3072))", 0),
        place => behind(&format!("(i32.const {place})"), 0),
    }
}

const FIRST_VALUE: u32 = 1;
const FIRST_TEXT: u32 = 2;
const FIRST_NAME: u32 = 3;
/// The place of a text that is there in any case, and of one that may be absent.
const TEXT: u32 = 3072;
const OPTIONAL: u32 = 3076;

/// A guest that asks for a fact before it answers with `answer`, with the text at `$p` of length `$i`.
fn asking((function, shape, place, _): Told, hook: &'static str, answer: &str) -> Guest {
    let arguments = match shape {
        ASK => "",
        _ => "(i32.const 7000) (i32.const 4)",
    };
    let ask = format!(
        "(call $ask {arguments} (i32.const 3072)) {} {answer}",
        read(place)
    );
    Guest::new()
        .with(hook, &ask)
        .fact(function, "$ask", shape)
        .extra("(data (i32.const 7000) \"team\")")
        .version(NEWEST)
}

/// Plans under the rule of the text.
fn rule() -> String {
    format!(
        "{PLAN} (i32.store8 (i32.const 2060) (i32.const 1))
         (i32.store (i32.const 2064) (local.get $p)) (i32.store (i32.const 2068) (local.get $i))"
    )
}

#[test]
fn a_guest_is_told_what_it_asks_for() {
    let all: &[Told] = &[
        ("request#id", ASK, TEXT, "r1"),
        ("request#method", ASK, TEXT, "POST"),
        ("request#path", ASK, TEXT, "/v1/x?y"),
        ("request#header", ASK_OF, OPTIONAL, "red"),
        ("request#headers", ASK_OF, FIRST_VALUE, "red"),
        ("request#user-id", ASK, OPTIONAL, "u1"),
        ("request#head-attributes", ASK, FIRST_VALUE, "a b"),
        ("request#tools", ASK, FIRST_TEXT, "bash"),
        ("request#member", ASK_OF, OPTIONAL, "\"x\""),
        ("caller#key-id", ASK, TEXT, "k1"),
        ("caller#tenant", ASK, OPTIONAL, "acme"),
        ("caller#user", ASK, OPTIONAL, "ann"),
        ("caller#tier", ASK, OPTIONAL, "free"),
        ("caller#label", ASK_OF, OPTIONAL, "search"),
        ("caller#labels", ASK, FIRST_VALUE, "search"),
        // What the envelope says nothing about is the caller's, or the host's.
        ("context#correlation-id", ASK, TEXT, "r1"),
        ("context#tenant", ASK, OPTIONAL, "acme"),
        ("context#user", ASK, OPTIONAL, "ann"),
        ("context#resource", ASK, OPTIONAL, "house"),
        ("context#session", ASK, OPTIONAL, "s1"),
        ("context#agent", ASK, OPTIONAL, "a1"),
        ("context#metadata", ASK_OF, OPTIONAL, "meta"),
        ("context#all-metadata", ASK, FIRST_VALUE, "meta"),
        ("context#get-attribute", ASK_OF, OPTIONAL, "attribute"),
        ("context#attributes", ASK, FIRST_VALUE, "attribute"),
        ("upstreams#names", ASK, FIRST_NAME, "team"),
        ("upstreams#attributes", ASK_OF, FIRST_VALUE, "eu"),
    ];
    let context = Arc::new(context());
    for told in all {
        let plugin = admit(&asking(*told, "route", &rule()), PATIENT);
        let plan = alone(&plugin)
            .begin(request())
            .route(&context, Some(upstreams()));
        let plan = plan.unwrap_or_else(|stop| panic!("{}: {stop:?}", told.0));
        let rule = plan.expect("a plan").rule;
        assert_eq!(rule.as_deref(), Some(told.3), "{}", told.0);
    }
}

#[test]
fn what_the_envelope_says_is_told_in_place_of_what_the_host_knows() {
    let context = Arc::new(Envelope {
        correlation_id: Some("c2".to_owned()),
        tenant: Some("globex".to_owned()),
        user: Some("bob".to_owned()),
        ..Envelope::default()
    });
    for told in [
        ("context#correlation-id", ASK, TEXT, "c2"),
        ("context#tenant", ASK, OPTIONAL, "globex"),
        ("context#user", ASK, OPTIONAL, "bob"),
        ("caller#tenant", ASK, OPTIONAL, "acme"),
    ] {
        let plugin = admit(&asking(told, "route", &rule()), PATIENT);
        let plan = alone(&plugin).begin(request()).route(&context, None);
        let rule = plan.expect("it serves").expect("a plan").rule;
        assert_eq!(rule.as_deref(), Some(told.3), "{}", told.0);
    }
}

#[test]
fn a_budget_hook_is_told_of_the_plan() {
    let account = words(2056, &[4096, 1])
        + "(i32.store (i32.const 4096) (local.get $p)) (i32.store (i32.const 4100) (local.get $i))";
    let plan = Arc::new(Plan {
        rule: Some("cheap".to_owned()),
        targets: ["first", "second"].map(target).to_vec(),
        ..Plan::to("")
    });
    for (told, ask) in [
        (("planned#rule", ASK, OPTIONAL, "cheap"), ""),
        (
            ("planned#target", "(param i32 i32)", OPTIONAL, "second"),
            "(i32.const 1)",
        ),
    ] {
        let body = format!(
            "(call $ask {ask} (i32.const 3072)) {} {account}",
            read(told.2)
        );
        let guest = Guest::new()
            .with("budget", &body)
            .fact(told.0, "$ask", told.1)
            .version(NEWEST);
        let lineup = alone(&admit(&guest, PATIENT));
        let charges = lineup
            .begin(request())
            .charges(&Arc::default(), &plan, &ESTIMATE)
            .unwrap_or_else(|stop| panic!("{}: {stop:?}", told.0));
        assert_eq!(charges[0].charge.account, told.3, "{}", told.0);
    }
}

fn target(upstream: &str) -> Target {
    let mut plan = Plan::to(upstream);
    plan.targets.remove(0)
}

#[test]
fn numbers_and_cases_are_told_as_they_are() {
    // Each is the number of letters of the rule.
    let cases = [
        (
            "request#endpoint",
            "(param i32)",
            "",
            "(i32.load8_u (i32.const 3072))",
            1,
        ),
        (
            "context#timeout-ms",
            "(param i32)",
            "",
            "(i32.load (i32.const 3076))",
            7,
        ),
        (
            "upstreams#stats",
            ASK_OF,
            "(i32.const 7000) (i32.const 4)",
            "(i32.load (i32.const 3080))",
            3,
        ),
        (
            "upstreams#stats",
            ASK_OF,
            "(i32.const 7001) (i32.const 3)",
            "(i32.load8_u (i32.const 3072))",
            0,
        ),
    ];
    let context = Arc::new(context());
    for (function, shape, arguments, number, expected) in cases {
        let body = format!(
            "(call $ask {arguments} (i32.const 3072))
             (local.set $p (i32.const 32)) (local.set $i {number}) {}",
            rule()
        );
        let guest = Guest::route(&body)
            .fact(function, "$ask", shape)
            .extra("(data (i32.const 7000) \"team\")")
            .version(NEWEST);
        let plan = alone(&admit(&guest, PATIENT))
            .begin(request())
            .route(&context, Some(upstreams()));
        let rule = plan.expect("it serves").expect("a plan").rule;
        assert_eq!(rule.map(|rule| rule.len()), Some(expected), "{function}");
    }
    assert_eq!(
        Endpoint::of("count-tokens"),
        Endpoint::CountTokens,
        "the case of the number 1"
    );
}

#[test]
fn an_audit_hook_is_told_of_each_receipt() {
    // The text of the second receipt's field becomes a field of the first one.
    let mut layout = Layout::default();
    let name = layout.text("seen");
    let change = layout.list(&[vec![3, 0, name[0], name[1], 0, 0, 0, 0]]);
    let edits = layout.list(&[vec![1, 0, change[0], change[1]]]);
    let answer = words(2048, &[1, edits[0], edits[1]]);
    let text = change[0] + 24;
    for (function, shape, ask, found) in [
        (
            "receipts#get-field",
            "(param i32 i32 i32 i32)",
            "(i32.const 1) (i32.const 7000) (i32.const 4)",
            behind("(i32.const 3088)", 0),
        ),
        (
            "receipts#fields",
            "(param i32 i32)",
            "(i32.const 1)",
            behind("(i32.load (i32.const 3072))", 16),
        ),
    ] {
        let body = format!(
            "(call $ask {ask} (i32.const 3072))
             (if (i32.gt_u (local.get $count) (i32.const 1)) (then
               {found}
               (i32.store (i32.const {text}) (local.get $p))
               (i32.store (i32.const {}) (local.get $i))
               {answer}))",
            text + 4
        );
        let guest = Guest::new()
            .with("audit", &body)
            .fact(function, "$ask", shape)
            .extra(&(layout.data() + "(data (i32.const 7000) \"team\")"))
            .version(NEWEST);
        let receipt = |id: &str, team: &str| Receipt {
            id: id.to_owned(),
            fields: vec![Field {
                name: "team".to_owned(),
                value: Value::Text(team.to_owned()),
            }],
        };
        let receipts = vec![receipt("one", "red"), receipt("two", "blue")];
        let entries = alone(&admit(&guest, PATIENT)).audit(receipts, |_| true);
        assert!(entries[0].notes.is_empty(), "{function}: {entries:?}");
        assert_eq!(
            entries[0].receipt.field("seen"),
            Some(&Value::Text("blue".to_owned())),
            "{function}"
        );
        assert_eq!(entries[1].receipt.fields.len(), 1, "{function}: as it was");
    }
}
