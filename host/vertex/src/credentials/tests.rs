//! Tests of tokens.

use std::time::Duration;

use serde_json::{Value, json};

use super::key::Key;
use super::*;
use crate::{Question, Reach};

/// Returns what google-auth was given and asked, and the time by its clock.
fn recorded() -> (Value, SystemTime) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/questions.json");
    let rows: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let now = Duration::from_secs(rows["now"].as_u64().unwrap());
    (rows, SystemTime::UNIX_EPOCH + now)
}

fn answer(status: u16, body: &str) -> Answer<'_> {
    Answer {
        status,
        date: Some("Mon, 30 Nov 2026 12:10:00 GMT"),
        body: body.as_bytes(),
    }
}

fn asked(step: Step<'_>) -> (Question, Pending<'_>) {
    match step {
        Step::Ask(question, pending) => (question, pending),
        other => panic!("no question: {other:?}"),
    }
}

/// Returns a file of a federated workload with another source of the subject's token.
fn federated(source: &Value) -> Result<Credentials, BadFile> {
    let (rows, _) = recorded();
    let mut file = rows["external_account"]["file"].clone();
    file["credential_source"] = source.clone();
    Credentials::read(&file.to_string())
}

#[test]
fn an_assertion_is_signed_as_google_auth_signs_it() {
    let (rows, now) = recorded();
    let file = &rows["service_account"]["file"];
    let form = rows["service_account"]["asked"][0]["form"]
        .as_array()
        .unwrap();
    let theirs = form.iter().find(|field| field[0] == "assertion").unwrap()[1]
        .as_str()
        .unwrap();
    let (text, signature) = theirs.rsplit_once('.').unwrap();
    for pem in [&file["private_key"], &rows["pkcs1"]] {
        let key = Key::read("key-1", pem.as_str().unwrap()).unwrap();
        assert_eq!(
            key.sign(text).unwrap(),
            signature,
            "this scheme has one signature"
        );
    }
    let Credentials::ServiceAccount(account) = Credentials::read(&file.to_string()).unwrap() else {
        panic!("a service account");
    };
    let ours = account
        .key
        .assertion(&account.email, &account.token_url, scope::PLATFORM, now)
        .unwrap();
    let claims = |assertion: &str| -> Vec<Value> {
        use base64::Engine as _;
        let decoded = |part| {
            base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(part)
                .unwrap()
        };
        let parts = assertion.split('.').take(2);
        parts
            .map(|part| serde_json::from_slice(&decoded(part)).unwrap())
            .collect()
    };
    assert_eq!(
        claims(ours.reveal()),
        claims(theirs),
        "the same header and claims"
    );
    assert_eq!(
        account.project.as_deref(),
        Some("my-project"),
        "the project of the file"
    );
}

#[test]
fn a_token_has_an_end() {
    let (rows, now) = recorded();
    let user = Credentials::read(&rows["authorized_user"]["file"].to_string()).unwrap();
    let (_, pending) = asked(user.begin(now).unwrap());
    let body = r#"{"access_token":"ya29.c.b0A...","expires_in":3599,"token_type":"Bearer"}"#;
    let Step::Done(bearer) = pending.answer(answer(200, body), now).unwrap() else {
        panic!("a token");
    };
    assert_eq!(bearer.token.reveal(), "ya29.c.b0A...", "dots and all");
    assert_eq!(
        bearer.lease.wait(now),
        Some(Duration::from_secs(3599 - 300)),
        "renewed ahead of its end"
    );
    for body in [
        "{}",
        r#"{"access_token":"a b","expires_in":1}"#,
        r#"{"access_token":"a"}"#,
        "<",
    ] {
        let (_, pending) = asked(user.begin(now).unwrap());
        let error = pending.answer(answer(200, body), now).unwrap_err();
        assert!(matches!(error, BadToken::Form { .. }), "{body}: {error}");
    }
}

#[test]
fn a_workload_acts_as_a_service_account_in_three_steps() {
    let (rows, now) = recorded();
    let workload = Credentials::read(&rows["impersonated"]["file"].to_string()).unwrap();
    let Step::Read(path, pending) = workload.begin(now).unwrap() else {
        panic!("a file");
    };
    assert_eq!(path, "/tmp/subject", "the caller reads it");
    let (_, pending) = asked(pending.text("header.claims.signature\n").unwrap());
    let exchanged = r#"{"access_token":"sts","expires_in":3599}"#;
    let (question, pending) = asked(pending.answer(answer(200, exchanged), now).unwrap());
    assert!(
        question.url.ends_with(":generateAccessToken"),
        "{}",
        question.url
    );
    let body = r#"{"accessToken":"ours","expireTime":"2026-11-30T13:00:00Z"}"#;
    let Step::Done(bearer) = pending.answer(answer(200, body), now).unwrap() else {
        panic!("a token");
    };
    assert_eq!(bearer.token.reveal(), "ours", "that of the service account");
    assert_eq!(
        bearer.lease.wait(now),
        Some(Duration::from_secs(3300)),
        "by its date"
    );
}

#[test]
fn a_subject_may_come_from_an_address_and_in_json() {
    let source = json!({"url": "http://169.254.169.254/token", "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"}});
    let workload = federated(&source).unwrap();
    let now = SystemTime::UNIX_EPOCH;
    let (question, pending) = asked(workload.begin(now).unwrap());
    assert_eq!(question.reach, Reach::Machine, "never by a proxy");
    assert_eq!(question.headers[0].0, "metadata", "its headers");
    let (question, _) = asked(
        pending
            .answer(answer(200, r#"{"access_token":"subject"}"#), now)
            .unwrap(),
    );
    assert!(
        question
            .body
            .unwrap()
            .reveal()
            .contains("subject_token=subject&"),
        "exchanged"
    );
    for (status, body) in [(200, "{}"), (200, "<"), (403, "")] {
        let (_, pending) = asked(workload.begin(now).unwrap());
        let error = pending
            .answer(answer(status, body), now)
            .unwrap_err()
            .to_string();
        assert!(error.contains("credential_source"), "{error}");
    }
}

#[test]
fn a_file_that_is_wrong_or_not_supported_is_said() {
    let error = |text: &str| Credentials::read(text).unwrap_err().to_string();
    assert!(error("[]").contains("`type`"), "no object");
    assert!(
        error(r#"{"type":"gdch_service_account"}"#).contains("`gdch_service_account`"),
        "a type"
    );
    assert!(
        error(r#"{"type":"authorized_user","client_id":"c"}"#).contains("`client_secret`"),
        "missing"
    );
    let account = r#"{"type":"service_account","client_email":"e","private_key":"very-secret"}"#;
    let key = error(account);
    assert!(
        key.contains("RSA key") && !key.contains("very-secret"),
        "{key}"
    );
    let plain = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r","token_uri":"http://x"}"#;
    assert!(
        error(plain).contains("`token_uri`"),
        "a secret in the clear"
    );
    let domain = r#"{"type":"authorized_user","universe_domain":"example.com"}"#;
    assert!(error(domain).contains("example.com"), "another universe");
    for (source, said) in [
        (json!({"environment_id": "aws1"}), "environment_id"),
        (json!({"executable": {"command": "x"}}), "executable"),
        (json!({"file": "a", "format": {"type": "json"}}), "format"),
        (json!({}), "credential_source.file"),
    ] {
        let error = federated(&source).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn each_refusal_names_its_cure() {
    let (rows, now) = recorded();
    let file = |name: &str| Credentials::read(&rows[name]["file"].to_string()).unwrap();
    let refused = |credentials: &Credentials, status, date, body: &str| {
        let (_, pending) = match credentials.begin(now).unwrap() {
            Step::Read(_, pending) => asked(pending.text("subject").unwrap()),
            step => asked(step),
        };
        let answer = Answer {
            date,
            ..answer(status, body)
        };
        pending.answer(answer, now).unwrap_err().to_string()
    };
    let grant =
        r#"{"error":"invalid_grant","error_description":"Invalid JWT: check your iat and exp"}"#;
    let account = file("service_account");
    let late = refused(&account, 400, Some("Mon, 30 Nov 2026 12:10:00 GMT"), grant);
    assert!(
        late.contains("600 s behind Google's: set the clock") && late.contains("iat"),
        "{late}"
    );
    let deleted = refused(&account, 400, Some("Mon, 30 Nov 2026 12:00:01 GMT"), grant);
    assert!(deleted.contains("make a new key"), "{deleted}");
    assert!(
        refused(&file("authorized_user"), 400, None, grant).contains("gcloud auth"),
        "a user"
    );
    let pool = refused(
        &file("external_account"),
        400,
        None,
        r#"{"error":"invalid_target"}"#,
    );
    assert!(pool.contains("provider of the pool"), "{pool}");
    let machine = Credentials::machine(None);
    assert!(
        refused(&machine, 404, None, "").contains("attach one"),
        "a machine"
    );
    assert!(
        refused(&machine, 503, None, "").contains("ask again later"),
        "no answer"
    );
    let workload = file("impersonated");
    let Step::Read(_, pending) = workload.begin(now).unwrap() else {
        panic!("a file");
    };
    let (_, pending) = asked(pending.text("subject").unwrap());
    let exchanged = r#"{"access_token":"sts","expires_in":3599}"#;
    let (_, pending) = asked(pending.answer(answer(200, exchanged), now).unwrap());
    let denied = r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}"#;
    let denied = pending
        .answer(answer(403, denied), now)
        .unwrap_err()
        .to_string();
    assert!(
        denied.contains("roles/iam.workloadIdentityUser") && denied.contains("PERMISSION_DENIED"),
        "{denied}"
    );
}

#[test]
fn secrets_are_in_no_debug_output() {
    let (rows, now) = recorded();
    for name in ["service_account", "authorized_user", "external_account"] {
        let credentials = Credentials::read(&rows[name]["file"].to_string()).unwrap();
        let shown = format!("{credentials:?} {:?}", credentials.begin(now).unwrap());
        for secret in ["se/cret", "1//re+fresh", "PRIVATE", "eyJ"] {
            assert!(!shown.contains(secret), "{name}: {shown}");
        }
    }
}
