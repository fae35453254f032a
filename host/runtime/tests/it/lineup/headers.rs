//! Answer headers that a plugin asks for and can't have.

use std::sync::Arc;

use witgate_runtime::{Runtime, RuntimeOptions, Source};

use crate::guest::Guest;
use crate::lines::written;
use crate::request::{PATIENT, alone, granting, plain};

#[test]
fn an_answer_header_that_cannot_be_sent_is_dropped_and_logged() {
    // Four pairs of a name and a value, each a place and a length.
    let pairs = [
        ((5000, 10), (32, 17)),
        ((5010, 4), (32, 17)),
        ((5014, 3), (32, 17)),
        ((5010, 4), (5017, 4)),
        ((5021, 9), (32, 17)),
    ];
    let mut body = String::from(
        "(i32.store (i32.const 2160) (i32.const 4096)) (i32.store (i32.const 2164) (i32.const 5))",
    );
    for (index, ((name, name_len), (value, value_len))) in pairs.into_iter().enumerate() {
        for (field, number) in [name, name_len, value, value_len].into_iter().enumerate() {
            let at = 4096 + 16 * index + 4 * field;
            body += &format!("(i32.store (i32.const {at}) (i32.const {number}))");
        }
    }
    let guest = Guest::new()
        .with("envelope", &body)
        .extra("(data (i32.const 5000) \"Set-Cookiex-okx ya\\0d\\0abwitgate-x\")");
    let runtime = Runtime::try_new(
        RuntimeOptions::default()
            .with_host_headers(["set-cookie", "x-witgate-*"].map(String::from))
            .with_response_headers(Arc::from(["x-*"].map(String::from))),
    )
    .expect("the engine starts");
    let source = Source::new("probe", guest.build()).with_sidecar(granting(PATIENT));
    let plugin = runtime
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut kept = Vec::new();
    let lines = written(|| {
        let envelope = alone(&plugin).begin(plain()).envelope();
        kept = envelope.expect("no fault").response_headers;
    });
    assert_eq!(
        kept,
        [("x-ok".to_owned(), "it was the butler".to_owned())],
        "the one that can be sent"
    );
    assert_eq!(
        lines,
        [
            "WARN dropped the response header \"Set-Cookie\": only the host may set it",
            "WARN dropped the response header \"x y\": not a valid header name",
            "WARN dropped the response header \"x-ok\": the value has a control character, such as a line break",
            "WARN dropped the response header \"witgate-x\": plugins may not set it",
        ],
        "the others, with the reason"
    );
}
