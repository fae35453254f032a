//! Questions for tokens, as azure-identity asks them.

use std::collections::BTreeMap;

use serde_json::Value;
use witgate_foundry::credentials::{Client, Proof};
use witgate_foundry::{Entra, Question, Secret};

use super::fixture;

/// Returns the fields of a form or a query.
fn fields(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let text = percent_encoding::percent_decode_str(text);
        text.decode_utf8().unwrap().into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn compare(name: &str, ours: &Question, theirs: &Value) {
    assert_eq!(theirs["method"], ours.method, "{name}: the method");
    let parts = |url: &str| match url.split_once('?') {
        Some((path, query)) => (path.to_owned(), fields(query)),
        None => (url.to_owned(), BTreeMap::new()),
    };
    assert_eq!(
        parts(theirs["url"].as_str().unwrap()),
        parts(&ours.url),
        "{name}: the address"
    );
    for (header, value) in &ours.headers {
        assert_eq!(
            theirs["headers"][&**header],
            value.reveal(),
            "{name}: {header}"
        );
    }
    let mut form: BTreeMap<String, String> = BTreeMap::new();
    for (field, value) in theirs["body"].as_object().into_iter().flatten() {
        // The library asks for facts about itself, too.
        if field != "client_info" {
            form.insert(field.clone(), value.as_str().unwrap().to_owned());
        }
    }
    let body = ours.body.as_ref().map_or("", |body| body.reveal());
    assert_eq!(fields(body), form, "{name}: the form");
}

#[test]
fn the_questions_for_tokens_are_those_of_azure_identity() {
    let rows = fixture("questions.json");
    let client =
        |proof| Entra::Client(Client::try_new("tenant-1", "client-1", None, proof).unwrap());
    for (name, entra) in [
        (
            "client_secret",
            client(Proof::Secret(Secret::new("se/cret"))),
        ),
        ("workload", client(Proof::File("/tmp/subject".to_owned()))),
        ("machine", Entra::Machine(None)),
        (
            "machine_of_client",
            Entra::Machine(Some("client-1".to_owned())),
        ),
    ] {
        let question = entra.ask(Some("header.claims.signature\n")).unwrap();
        let asked = rows[name].as_array().unwrap();
        assert_eq!(asked.len(), 1, "{name}: one question");
        compare(name, &question, &asked[0]);
    }
}
