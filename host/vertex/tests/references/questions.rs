//! Questions for tokens, as google-auth asks them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use witgate_vertex::credentials::{Answer, Pending, Step};
use witgate_vertex::{Credentials, Question};

use super::fixture;

fn asked(step: Step<'_>) -> (Question, Pending<'_>) {
    match step {
        Step::Ask(question, pending) => (question, pending),
        other => panic!("no question: {other:?}"),
    }
}

/// Returns the fields of a form.
fn fields(body: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let text = percent_encoding::percent_decode_str(text);
        text.decode_utf8().unwrap().into_owned()
    };
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Compares a question with a recorded one. An assertion is compared elsewhere.
fn compare(name: &str, ours: &Question, theirs: &Value) {
    assert_eq!(theirs["method"], ours.method, "{name}: the method");
    assert_eq!(theirs["url"], ours.url, "{name}: the address");
    for (header, value) in &ours.headers {
        assert_eq!(
            theirs["headers"][&**header],
            value.reveal(),
            "{name}: {header}"
        );
    }
    let headers = theirs["headers"].as_object().unwrap();
    assert_eq!(headers.len(), ours.headers.len(), "{name}: no other header");
    let body = ours.body.as_ref().map_or("", |body| body.reveal());
    let form = theirs["form"].as_array().unwrap();
    if form.is_empty() && !body.is_empty() {
        let ours: Value = serde_json::from_str(body).unwrap();
        let theirs: Value = serde_json::from_str(theirs["body"].as_str().unwrap()).unwrap();
        for (member, value) in ours.as_object().unwrap() {
            assert_eq!(theirs[member], *value, "{name}: `{member}`");
        }
        return;
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut theirs: BTreeMap<_, _> = form
        .iter()
        .map(|field| (text(&field[0]), text(&field[1])))
        .collect();
    let mut ours = fields(body);
    assert_eq!(
        theirs.remove("assertion").is_some(),
        ours.remove("assertion").is_some(),
        "{name}"
    );
    assert_eq!(ours, theirs, "{name}: the form");
}

#[test]
fn the_questions_for_tokens_are_those_of_google_auth() {
    let rows = fixture("questions.json");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(rows["now"].as_u64().unwrap());
    for name in [
        "service_account",
        "authorized_user",
        "external_account",
        "impersonated",
    ] {
        let row = &rows[name];
        let credentials = Credentials::read(&row["file"].to_string()).unwrap();
        let (question, pending) = match credentials.begin(now).unwrap() {
            Step::Read(_, pending) => asked(pending.text("header.claims.signature").unwrap()),
            step => asked(step),
        };
        compare(name, &question, &row["asked"][0]);
        let Some(theirs) = row["asked"].get(1) else {
            continue;
        };
        let answer = Answer {
            status: 200,
            date: None,
            body: br#"{"access_token":"ya29.token","expires_in":3599}"#,
        };
        let (question, _) = asked(pending.answer(answer, now).unwrap());
        compare(name, &question, theirs);
    }
    let machine = Credentials::machine(None);
    let (question, _) = asked(machine.begin(now).unwrap());
    compare("metadata", &question, &rows["metadata"]["asked"][0]);
}
