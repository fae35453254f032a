//! The conditions under which a plugin's hooks are called at all.

mod bodies;
mod receipts;
mod refused;
mod stated;

use std::sync::Arc;

use witgate_runtime::{
    Allocation, Caller, Configured, Envelope, Hook, PlainRequest, Plan, Plugin, Request, Runtime,
    RuntimeOptions, Source,
};

use crate::guest::{Guest, NEWEST, PLAN};
use crate::layout::{Layout, Words, words};
use crate::request::{PATIENT, admit, alone, granting, naming_others, plain, route};
use crate::versions::ESTIMATE;
use stated::Interest;

const ENVELOPE: u32 = 0;
const ROUTE: u32 = 1;
const BUDGET: u32 = 2;
const AUDIT: u32 = 4;

/// A guest with three hooks and these conditions, whose route hook plans.
fn interested(interests: &[Interest]) -> Guest {
    let mut layout = Layout::default();
    let list: Vec<Words> = interests.iter().map(|it| it.words(&mut layout)).collect();
    let [at, len] = layout.list(&list);
    Guest::new()
        .with("lifecycle", &words(2048, &[0, at, len]))
        .with("envelope", "")
        .with("route", PLAN)
        .with("budget", "")
        .extra(&layout.data())
        .version(NEWEST)
}

fn request() -> PlainRequest {
    let mut request = PlainRequest::new("messages", "POST", "/v1/messages")
        .with_headers([("x-team", "red")])
        .with_caller(Caller {
            key_id: "k".to_owned(),
            tier: Some("free".to_owned()),
            ..Caller::default()
        });
    request.head.model = Some("claude-small".to_owned());
    request
}

fn attribute(name: &str) -> Envelope {
    Envelope {
        attributes: vec![(name.to_owned(), "1".to_owned())],
        ..Envelope::default()
    }
}

/// Returns whether the route hook was called.
fn is_asked(plugin: &Arc<Plugin>, request: Arc<dyn Request>, context: &Envelope) -> bool {
    let context = Arc::new(context.clone());
    let plan = alone(plugin).begin(request).route(&context, None);
    plan.expect("it serves").is_some()
}

#[test]
fn a_hook_without_conditions_is_called_for_every_request() {
    let plugin = admit(&interested(&[]), PATIENT);
    assert!(route(&plugin, &plain()).expect("it serves").is_some());
    let of_another_hook = interested(&[Interest {
        hook: BUDGET,
        models: Some(&[]),
        ..Interest::default()
    }]);
    let plugin = admit(&of_another_hook, PATIENT);
    assert!(
        route(&plugin, &plain()).expect("it serves").is_some(),
        "the conditions are those of another hook"
    );
    let older = Guest::route(PLAN).with("lifecycle", "");
    let plugin = admit(&older, PATIENT);
    assert!(
        route(&plugin, &plain()).expect("it serves").is_some(),
        "version 0.2 knows no conditions"
    );
}

#[test]
fn a_hook_is_called_if_its_condition_holds_and_not_otherwise() {
    let empty = Envelope::default();
    let house = Envelope {
        resource: Some("house".to_owned()),
        ..Envelope::default()
    };
    let second = Envelope {
        secondary_index: Some(0),
        ..Envelope::default()
    };
    let on = |interest: fn(&mut Interest)| {
        let mut it = Interest::route();
        interest(&mut it);
        it
    };
    let mut no_model = request();
    no_model.head.model = None;
    let mut paid = request();
    paid.caller.tier = Some("paid".to_owned());
    let mut nobody = request();
    nobody.caller.tier = None;
    let mut file = request();
    file.endpoint = "file-content".to_owned();
    let table = [
        (
            on(|it| it.endpoints = Some(&["batches", "messages"])),
            request(),
            &empty,
            true,
        ),
        (
            on(|it| it.endpoints = Some(&["batches"])),
            request(),
            &empty,
            false,
        ),
        (on(|it| it.endpoints = Some(&[])), request(), &empty, false),
        (
            on(|it| it.endpoints = Some(&["file-content"])),
            file.clone(),
            &empty,
            true,
        ),
        (
            on(|it| it.endpoints = Some(&["file-list"])),
            file.clone(),
            &empty,
            false,
        ),
        (
            on(|it| it.except_endpoints = Some(&["messages"])),
            request(),
            &empty,
            false,
        ),
        (
            on(|it| it.except_endpoints = Some(&["messages"])),
            file,
            &empty,
            true,
        ),
        (
            on(|it| it.models = Some(&["gpt", "claude-*"])),
            request(),
            &empty,
            true,
        ),
        (
            on(|it| it.models = Some(&["gpt", "claude"])),
            request(),
            &empty,
            false,
        ),
        (
            on(|it| it.models = Some(&["house"])),
            request(),
            &house,
            true,
        ),
        (
            on(|it| it.models = Some(&["*"])),
            no_model.clone(),
            &empty,
            true,
        ),
        (
            on(|it| it.models = Some(&["claude-*", "*a*"])),
            no_model,
            &empty,
            false,
        ),
        (
            on(|it| it.headers = Some(&["x-else", "x-team"])),
            request(),
            &empty,
            true,
        ),
        (
            on(|it| it.headers = Some(&["x-else"])),
            request(),
            &empty,
            false,
        ),
        (
            on(|it| it.tiers = Some(&["paid", "free"])),
            request(),
            &empty,
            true,
        ),
        (on(|it| it.tiers = Some(&["free"])), paid, &empty, false),
        (on(|it| it.tiers = Some(&["free"])), nobody, &empty, false),
        (
            on(|it| it.attributes = Some(&["beta", "team"])),
            request(),
            &attribute("team"),
            true,
        ),
        (
            on(|it| it.attributes = Some(&["beta"])),
            request(),
            &attribute("team"),
            false,
        ),
        (on(|it| it.secondary_index = true), request(), &second, true),
        (on(|it| it.secondary_index = true), request(), &empty, false),
        // All members have to hold.
        (
            on(|it| {
                it.models = Some(&["claude-*"]);
                it.tiers = Some(&["paid"]);
            }),
            request(),
            &empty,
            false,
        ),
    ];
    for (interest, request, context, asked) in table {
        let plugin = admit(&interested(std::slice::from_ref(&interest)), PATIENT);
        let found = is_asked(&plugin, Arc::new(request), context);
        assert_eq!(found, asked, "{interest:?} with {context:?}");
        let left_out = plugin.metrics().hooks[&Hook::Route].left_out;
        assert_eq!(left_out, u64::from(!asked), "{interest:?} is counted");
    }
}

#[test]
fn one_condition_of_several_is_enough() {
    let on = |tiers| Interest {
        tiers: Some(tiers),
        ..Interest::route()
    };
    let plugin = admit(&interested(&[on(&["paid"]), on(&["free"])]), PATIENT);
    assert!(
        is_asked(&plugin, Arc::new(request()), &Envelope::default()),
        "the second one holds"
    );
}

#[test]
fn each_hook_has_its_own_conditions_and_its_own_count() {
    let never = |hook| Interest {
        hook,
        models: Some(&[]),
        ..Interest::default()
    };
    let plugin = admit(&interested(&[never(ENVELOPE), never(BUDGET)]), PATIENT);
    let lineup = alone(&plugin);
    for _ in 0..3 {
        let mut hooks = lineup.begin(plain());
        let envelope = Arc::new(hooks.envelope().expect("nobody is asked"));
        hooks.route(&envelope, None).expect("it serves");
        let plan = Arc::new(Plan::to("default"));
        hooks
            .charges(&envelope, &plan, &ESTIMATE)
            .expect("nobody is asked");
        let answered = hooks.finish().answered.len();
        assert_eq!(answered, 1, "the route hook alone");
    }
    let figures = plugin.metrics();
    for (hook, calls, left_out) in [
        (Hook::Envelope, 0, 3),
        (Hook::Route, 3, 0),
        (Hook::Budget, 0, 3),
    ] {
        let of_hook = &figures.hooks[&hook];
        assert_eq!(
            (of_hook.calls, of_hook.left_out),
            (calls, left_out),
            "{hook}"
        );
    }
}

#[test]
fn an_envelope_hook_is_never_called_for_an_attribute() {
    let plugin = admit(
        &interested(&[Interest {
            attributes: Some(&["team"]),
            ..Interest::default()
        }]),
        PATIENT,
    );
    let lineup = alone(&plugin);
    let mut hooks = lineup.begin(plain());
    hooks.envelope().expect("it is not called");
    assert!(hooks.finish().answered.is_empty(), "there are none yet");
}

#[test]
fn a_request_that_may_name_other_models_is_always_asked_about() {
    let interest = Interest {
        models: Some(&["gpt"]),
        ..Interest::route()
    };
    let plugin = admit(&interested(&[interest]), PATIENT);
    let empty = Envelope::default();
    assert!(
        is_asked(&plugin, naming_others("claude"), &empty),
        "one of the others may be it"
    );
    assert!(
        !is_asked(&plugin, Arc::new(request()), &empty),
        "there is only one model, and it is another"
    );
}

#[test]
fn fresh_instances_have_the_conditions_too_also_from_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let guest = interested(&[Interest {
        tiers: Some(&["free"]),
        ..Interest::route()
    }]);
    for (start, compiled) in [("first", true), ("second", false)] {
        let runtime = Runtime::try_new(
            RuntimeOptions::default()
                .with_cache(Some(folder.path().join("code")))
                .with_allocation(Allocation::OnDemand),
        )
        .expect("the engine starts");
        let sidecar = granting(&format!("instances = \"fresh\"\n{PATIENT}"));
        let source = Source::new("probe", guest.build()).with_sidecar(sidecar);
        let plugin = runtime
            .admit(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plugin.configured(), &Configured::Once, "{start}");
        assert_eq!(runtime.compilations() > 0, compiled, "{start}: the cache");
        let empty = Envelope::default();
        assert!(
            is_asked(&plugin, Arc::new(request()), &empty),
            "{start}: the condition holds"
        );
        assert!(
            !is_asked(&plugin, plain(), &empty),
            "{start}: no tier, no call"
        );
    }
}
