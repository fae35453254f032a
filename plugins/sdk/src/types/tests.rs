use super::{
    Disconnect, Edit, Endpoint, Hook, Insertion, Interest, Plan, ReceiptEdits, RetryReason, Target,
    Unit, Value, Window,
};
use crate::types::{Field, Hashing, ReceiptEdit};

#[test]
fn an_interest_demands_only_what_was_asked_for() {
    let any = Interest::of(Hook::Route);
    let Interest {
        hook,
        endpoints,
        except_endpoints,
        models,
        headers,
        tiers,
        attributes,
        secondary_index,
        members,
    } = any.clone();
    assert_eq!(hook, Hook::Route, "the hook");
    let lists = [models, headers, tiers, attributes, members];
    assert_eq!(lists, [None, None, None, None, None], "no conditions");
    assert_eq!((endpoints, except_endpoints), (None, None), "no operation");
    assert!(!secondary_index, "no index");

    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let expected = Interest {
        endpoints: Some(vec![Endpoint::Messages, Endpoint::Other("x".to_owned())]),
        except_endpoints: Some(vec![Endpoint::CountTokens]),
        models: words(&["*opus*"]),
        headers: words(&["x-team"]),
        tiers: words(&["free", "pro"]),
        attributes: words(&["workspace"]),
        secondary_index: true,
        members: words(&["metadata"]),
        ..Interest::of(Hook::Route)
    };
    let built = any
        .endpoints(["messages", "x"])
        .except_endpoints(["count-tokens"])
        .models(["*opus*"])
        .headers(["x-team"])
        .tiers(["free", "pro"])
        .attributes(["workspace"])
        .members(["metadata"])
        .secondary_index();
    assert_eq!(built, expected, "each builder sets its own condition");
}

#[test]
fn a_condition_without_alternatives_never_holds() {
    let never = Interest::of(Hook::Budget).tiers(None::<String>);
    assert_eq!(never.tiers, Some(Vec::new()), "present, and empty");
}

#[test]
fn an_element_goes_to_the_end_of_an_array_or_to_an_index() {
    let insertion = |index| {
        Edit::Insert(Insertion {
            member: "messages".to_owned(),
            index,
            element: "{}".to_owned(),
        })
    };
    assert_eq!(Edit::append("messages", "{}"), insertion(None), "the end");
    assert_eq!(Edit::insert("messages", 0, "{}"), insertion(Some(0)), "0");
}

#[test]
fn a_target_has_edits_of_its_own() {
    let target = Target::new("a")
        .edit(Edit::set("max_tokens", "9"))
        .edit(Edit::remove("thinking"));
    let set = Edit::Set(("max_tokens".to_owned(), "9".to_owned()));
    let remove = Edit::Remove("thinking".to_owned());
    assert_eq!(target.edits, [set, remove], "in order");
}

#[test]
fn a_plan_says_only_what_differs_from_the_hosts_defaults() {
    let plain = Plan::to("a");
    assert_eq!(plain.retry_on, None, "all reasons");
    assert_eq!(
        (plain.retries, plain.on_disconnect),
        (None, None),
        "its own"
    );
    let plan = plain
        .retry_on([RetryReason::Connect])
        .retries(2)
        .on_disconnect(Disconnect::Drain)
        .resource("smart");
    assert_eq!(plan.retry_on, Some(vec![RetryReason::Connect]), "reasons");
    assert_eq!(plan.retries, Some(2), "retries");
    assert_eq!(plan.on_disconnect, Some(Disconnect::Drain), "treatment");
    assert_eq!(plan.resource.as_deref(), Some("smart"), "resource");
}

#[test]
fn codes_name_what_they_name_and_unknown_ones_stay_as_they_are() {
    for code in ["messages", "count-tokens", "models", "model", "batches"] {
        let known = Endpoint::of(code);
        assert!(!matches!(known, Endpoint::Other(_)), "{code}");
        assert_eq!(known.code(), code, "there and back");
    }
    for code in [
        "connect",
        "timeout",
        "conflict",
        "rate-limit",
        "overloaded",
        "server-error",
    ] {
        let known = RetryReason::of(code);
        assert!(!matches!(known, RetryReason::Other(_)), "{code}");
        assert_eq!(known.code(), code, "there and back");
    }
    for code in ["minute", "hour", "day", "week", "month", "total"] {
        let known = Window::of(code);
        assert!(!matches!(known, Window::Other(_)), "{code}");
        assert_eq!(known.to_string(), code, "there and back");
    }
    for code in [
        "picousd",
        "tokens",
        "input-tokens",
        "output-tokens",
        "cached-tokens",
        "requests",
        "in-flight",
        "sessions",
        "thinking-tokens",
    ] {
        let known = Unit::of(code);
        assert!(!matches!(known, Unit::Other(_)), "{code}");
        assert_eq!(known.to_string(), code, "there and back");
    }
    assert_eq!(Unit::of("pages"), Unit::Other("pages".to_owned()), "new");
    assert_eq!(Unit::of("pages").code(), "pages", "as it is");
}

#[test]
fn receipts_are_edited_all_at_once_or_one_by_one() {
    let text = Value::Text("b".to_owned());
    let changes = vec![
        ReceiptEdit::Drop(vec!["user".to_owned()]),
        ReceiptEdit::hash(vec!["tenant".to_owned()], "key"),
        ReceiptEdit::set("tags.site", text.clone()),
        ReceiptEdit::copy("model", "tags.model"),
    ];
    let expected = [
        ReceiptEdit::Drop(vec!["user".to_owned()]),
        ReceiptEdit::Hash(Hashing {
            fields: vec!["tenant".to_owned()],
            key: "key".to_owned(),
        }),
        ReceiptEdit::Set(Field {
            name: "tags.site".to_owned(),
            value: text,
        }),
        ReceiptEdit::Copy(("model".to_owned(), "tags.model".to_owned())),
    ];
    assert_eq!(changes, expected, "the contract's own");
    assert_eq!(ReceiptEdits::all(changes.clone()).receipt, None, "all");
    let one = ReceiptEdits::of(3, changes);
    assert_eq!(one.receipt, Some(3), "one of them");
    assert_eq!(one.changes, expected, "its changes");
}
