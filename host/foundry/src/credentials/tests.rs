//! Tests of tokens.

use std::time::Duration;

use super::*;

const NOW: Duration = Duration::from_secs(1_796_040_000);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + NOW
}

fn client(proof: Proof) -> Entra {
    Entra::Client(Client::try_new("tenant-1", "client-1", None, proof).unwrap())
}

fn refused(entra: &Entra, status: u16, body: &str) -> String {
    let date = Some("Mon, 30 Nov 2026 12:10:00 GMT");
    let body = body.as_bytes();
    let answer = Answer { status, date, body };
    entra.answer(answer, now()).unwrap_err().to_string()
}

#[test]
fn a_token_has_an_end_in_both_forms() {
    for end in ["3599", r#""3599""#] {
        let body =
            format!(r#"{{"access_token":"entra","expires_in":{end},"token_type":"Bearer"}}"#);
        let answer = Answer {
            status: 200,
            date: None,
            body: body.as_bytes(),
        };
        let bearer = Entra::Machine(None).answer(answer, now()).unwrap();
        assert_eq!(
            bearer.lease.wait(now()),
            Some(Duration::from_secs(3599 - 300)),
            "renewed ahead of its end"
        );
        let access = Access::Token(bearer).header();
        assert_eq!(access.1.reveal(), "Bearer entra", "sent");
    }
    let key = Access::Key(Secret::new("a-key")).header();
    assert_eq!((key.0, key.1.reveal()), ("x-api-key", "a-key"), "a key");
}

#[test]
fn each_refusal_names_its_cure() {
    let secret = client(Proof::Secret(Secret::new("very-secret")));
    let workload = client(Proof::File("/token".to_owned()));
    let entra = |code: &str| {
        format!(
            r#"{{"error":"invalid_client","error_description":"{code}: words\r\nTrace ID: x"}}"#
        )
    };
    for (way, code, cure) in [
        (&secret, "AADSTS7000222", "make a new one"),
        (&secret, "AADSTS7000215", "the secret's value"),
        (&secret, "AADSTS700016", "check the client id"),
        (&workload, "AADSTS700213", "issuer, subject and audience"),
        (&workload, "AADSTS700024", "600 s behind Microsoft's"),
        (&secret, "AADSTS1", "check the tenant"),
    ] {
        let error = refused(way, 401, &entra(code));
        assert!(error.contains(cure) && error.contains(code), "{error}");
        assert!(!error.contains("Trace"), "one line: {error}");
    }
    let machine = refused(
        &Entra::Machine(None),
        400,
        r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
    );
    assert!(machine.contains("assign one"), "{machine}");
    assert!(
        refused(&Entra::Machine(None), 503, "").contains("ask again later"),
        "another attempt helps"
    );
}

#[test]
fn a_client_that_would_be_another_address_is_refused() {
    let proof = || Proof::Secret(Secret::new("s"));
    for (tenant, id, authority) in [
        ("a/b", "c", None),
        ("", "c", None),
        ("t", "c?d", None),
        ("t", "c", Some("evil/path")),
    ] {
        assert!(
            Client::try_new(tenant, id, authority, proof()).is_err(),
            "{tenant} {id}"
        );
    }
    let other = Client::try_new("t", "c", Some("https://login.microsoftonline.us/"), proof());
    let question = Entra::Client(other.unwrap()).ask(None).unwrap();
    assert_eq!(
        question.url, "https://login.microsoftonline.us/t/oauth2/v2.0/token",
        "a sovereign cloud"
    );
}

#[test]
fn a_workload_without_its_token_is_said_and_secrets_are_not() {
    let workload = client(Proof::File("/token".to_owned()));
    assert_eq!(workload.token_file(), Some("/token"), "read by the caller");
    let error = workload.ask(Some(" \n")).unwrap_err().to_string();
    assert!(error.contains("federated"), "{error}");
    let secret = client(Proof::Secret(Secret::new("very-secret")));
    let shown = format!("{secret:?} {:?}", secret.ask(None).unwrap());
    assert!(!shown.contains("very-secret"), "{shown}");
}
