//! Tests of the endpoints of containers and instances.

use std::time::{Duration, SystemTime};

use super::super::Access;
use super::super::container::Container;
use super::super::instance::{Role, Token, answer_keys, ask_token};
use super::{environment, shown};
use crate::Question;

const KEYS: &str = r#"{"Code":"Success","LastUpdated":"2026-11-30T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2026-11-30T06:00:00Z"}"#;

fn written(ask: &Question) -> String {
    let headers = ask.headers.iter();
    let headers = headers.map(|(name, value)| format!(" {name}={}", value.reveal()));
    format!("{} {}{}", ask.method, ask.url, headers.collect::<String>())
}

fn container(variables: &[(&str, &str)]) -> Container {
    environment(variables)
        .unwrap()
        .container
        .expect("an endpoint")
}

#[test]
fn an_instance_is_asked_for_a_token_a_role_and_its_keys() {
    assert_eq!(
        written(&ask_token()),
        "PUT http://169.254.169.254/latest/api/token x-aws-ec2-metadata-token-ttl-seconds=300",
        "first"
    );
    let token = Token::answer(200, b"tok==").unwrap();
    let roles = "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/";
    assert_eq!(
        written(&token.ask_role()),
        format!("{roles} x-aws-ec2-metadata-token=tok=="),
        "second"
    );
    let role = Role::answer(200, b"my-role\nother").unwrap();
    assert_eq!(
        written(&token.ask_keys(&role)),
        format!("{roles}my-role x-aws-ec2-metadata-token=tok=="),
        "third"
    );
    let keys = answer_keys(200, KEYS.as_bytes()).unwrap();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_018_400);
    assert_eq!(keys.expires, Some(end), "with their end");
    assert_eq!(shown(Some(&Access::Keys(keys))), "ASIA s t", "the keys");
}

#[test]
fn an_instance_without_a_role_is_said_with_the_remedy() {
    let role = Role::answer(404, b"").unwrap_err().to_string();
    assert!(role.contains("404: give the instance a role"), "{role}");
    let token = Token::answer(403, b"").unwrap_err().to_string();
    assert!(token.contains("hop limit"), "{token}");
    for name in ["../x", "a/b", "", "a b", ".."] {
        assert!(
            Role::answer(200, name.as_bytes()).is_err(),
            "`{name}` would be another path"
        );
    }
}

#[test]
fn an_answer_without_keys_is_refused_without_showing_it() {
    let rows = [
        (
            r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#,
            "AssumeRoleUnauthorizedAccess",
        ),
        (r#"{"AccessKeyId":"secret"}"#, "without `SecretAccessKey`"),
        (r#"{"SecretAccessKey":"secret"}"#, "without `AccessKeyId`"),
        (
            r#"{"AccessKeyId":"secret","SecretAccessKey":"secret","Expiration":"soon"}"#,
            "a date in `Expiration`",
        ),
        ("secret", "without JSON"),
    ];
    for (body, words) in rows {
        let error = answer_keys(200, body.as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains(words) && !error.contains("secret"),
            "{error}"
        );
    }
}

#[test]
fn a_container_is_asked_at_the_address_of_its_environment() {
    let ecs = container(&[(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "/v2/credentials/x",
    )]);
    assert_eq!(
        written(&ecs.ask(None).unwrap()),
        "GET http://169.254.170.2/v2/credentials/x",
        "ECS"
    );
    let eks = container(&[
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://169.254.170.23/v1/credentials",
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/var/run/token"),
    ]);
    assert_eq!(
        eks.token_file(),
        Some("/var/run/token"),
        "the caller reads it"
    );
    assert_eq!(
        written(&eks.ask(Some("proof\n")).unwrap()),
        "GET http://169.254.170.23/v1/credentials authorization=proof",
        "EKS, with its proof"
    );
    let keys = Container::answer(200, KEYS.as_bytes()).unwrap();
    assert_eq!(
        shown(Some(&Access::Keys(keys))),
        "ASIA s t",
        "the answer has the same form"
    );
    let refused = Container::answer(400, b"").unwrap_err().to_string();
    assert!(refused.contains("has a role"), "{refused}");
}

#[test]
fn a_proof_goes_to_no_foreign_host_in_the_clear() {
    let allowed = |url| {
        let container = container(&[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "p"),
        ]);
        container.ask(None).is_ok()
    };
    for url in [
        "https://example.com/x",
        "http://localhost:8080/x",
        "http://127.0.0.1/x",
        "http://[::1]:80/",
        "http://[fd00:ec2::23]/v1",
    ] {
        assert!(allowed(url), "{url}");
    }
    for url in [
        "http://example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost@example.com/",
        "ftp://localhost/",
        "http://169.254.170.2.example.com",
    ] {
        assert!(!allowed(url), "{url}");
    }
}
