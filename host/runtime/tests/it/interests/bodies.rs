//! Conditions on members of the body and on headers by prefix, and the header of the correlation id.

use std::sync::Arc;

use witgate_runtime::{Body, Envelope, PlainRequest};

use super::stated::Interest;
use super::{interested, is_asked, request};
use crate::guest::{Guest, NEWEST};
use crate::layout::{Layout, words};
use crate::request::{PATIENT, admit, alone};

fn with_body(json: &str) -> PlainRequest {
    request().with_body(Body::try_json(json.to_owned()).expect("JSON"))
}

#[test]
fn a_hook_is_called_for_a_member_of_the_body_or_a_header_with_a_prefix() {
    let on = |interest: fn(&mut Interest)| {
        let mut it = Interest::route();
        interest(&mut it);
        it
    };
    let vmx = r#"{"model": "m", "vmx": {}}"#;
    for (interest, request, asked) in [
        (
            on(|it| it.members = Some(&["metadata", "vmx"])),
            with_body(vmx),
            true,
        ),
        (
            on(|it| it.members = Some(&["metadata"])),
            with_body(vmx),
            false,
        ),
        (on(|it| it.members = Some(&["vmx"])), request(), false),
        (on(|it| it.members = Some(&[])), with_body(vmx), false),
        (on(|it| it.headers = Some(&["x-t*"])), request(), true),
        (on(|it| it.headers = Some(&["x-te"])), request(), false),
        (on(|it| it.headers = Some(&["y-*"])), request(), false),
    ] {
        let plugin = admit(&interested(std::slice::from_ref(&interest)), PATIENT);
        let found = is_asked(&plugin, Arc::new(request), &Envelope::default());
        assert_eq!(found, asked, "{interest:?}");
    }
}

#[test]
fn the_correlation_id_is_returned_in_the_header_that_a_plugin_states_and_it_need_not_be_called() {
    for (header, returned) in [
        ("x-correlation", Some("req-7")),
        ("Set-Cookie\u{0}", None),
        ("not a name", None),
    ] {
        let mut layout = Layout::default();
        let never = Interest {
            members: Some(&[]),
            ..Interest::default()
        };
        let conditions = [never.words(&mut layout)];
        let [at, len] = layout.list(&conditions);
        let [name, name_len] = layout.text(header);
        let configured = [0, at, len, 0, 0, 1, name, name_len];
        let guest = Guest::new()
            .with("lifecycle", &words(2048, &configured))
            .with("envelope", "")
            .extra(&layout.data())
            .version(NEWEST);
        let plugin = admit(&guest, PATIENT);
        let request = Arc::new(request().with_id("req-7"));
        let lineup = alone(&plugin);
        let mut hooks = lineup.begin(request);
        let envelope = hooks.envelope().expect("it is not called");
        let found = envelope.response_headers.iter();
        let found = found.map(|(name, id)| (name.as_str(), id.as_str()));
        let expected = returned.map(|id| (header, id));
        assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(expected));
        assert!(hooks.finish().answered.is_empty(), "nobody was called");
    }
}
