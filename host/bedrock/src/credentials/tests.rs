//! Tests of credentials.

mod endpoints;
mod files;

use std::time::Duration;

use super::environment::{Environment, Instance};
use super::*;

fn environment(variables: &[(&str, &str)]) -> Result<Environment, String> {
    let get = |name: &'static str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Environment::read(get).map_err(|error| error.to_string())
}

/// Returns the keys of an access, in the clear.
fn shown(access: Option<&Access>) -> String {
    match access {
        None => "none".to_owned(),
        Some(Access::ApiKey(key)) => format!("key {}", key.reveal()),
        Some(Access::Keys(keys)) => {
            let session = keys.session.as_ref().map_or("-", Secret::reveal);
            format!("{} {} {session}", keys.id, keys.secret.reveal())
        }
    }
}

#[test]
fn the_environment_has_keys_or_an_api_key() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "sk\n"),
        ("AWS_SESSION_TOKEN", "tok"),
    ];
    let read = environment(&keys).unwrap();
    assert_eq!(shown(read.access.as_ref()), "AKID sk tok", "keys of a role");
    let both = [
        keys[0],
        keys[1],
        ("AWS_BEARER_TOKEN_BEDROCK", "bk"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
    ];
    let read = environment(&both).unwrap();
    assert_eq!(shown(read.access.as_ref()), "key bk", "an API key wins");
    assert_eq!(read.region.as_deref(), Some("eu-west-1"), "the region");
    let none = environment(&[("AWS_ACCESS_KEY_ID", " ")]).unwrap();
    assert_eq!(shown(none.access.as_ref()), "none", "blank is not set");
    assert_eq!(
        (none.profile.as_str(), none.instance),
        ("default", Instance::Allowed),
        "the usual"
    );
}

#[test]
fn one_key_without_the_other_is_said() {
    for (there, missing) in [
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
    ] {
        let error = environment(&[(there, "x")]).unwrap_err();
        assert!(
            error.contains(&format!("`{there}` without `{missing}`")),
            "{error}"
        );
    }
}

#[test]
fn the_metadata_service_can_be_forbidden() {
    let read = environment(&[("AWS_EC2_METADATA_DISABLED", "TRUE")]).unwrap();
    assert_eq!(read.instance, Instance::Forbidden, "as AWS's SDKs read it");
}

#[test]
fn keys_are_renewed_before_they_end() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let state = |left| Lease::until(Some(now + Duration::from_secs(left))).state(now);
    let states = [3600, 301, 300, 31, 30, 0].map(state);
    use State::{Due, Ended, Fresh};
    assert_eq!(
        states,
        [Fresh, Fresh, Due, Due, Ended, Ended],
        "by the time that is left"
    );
    let wait = |left| Lease::until(Some(now + Duration::from_secs(left))).wait(now);
    assert_eq!(
        wait(3600),
        Some(Duration::from_secs(3300)),
        "until renewal is due"
    );
    assert_eq!(wait(10), Some(Duration::ZERO), "at once");
    assert_eq!(Lease::until(None).wait(now), None, "never");
    assert_eq!(Lease::until(None).state(now), Fresh, "without an end");
    assert_eq!(
        Lease::until(Some(now - Duration::from_secs(1))).state(now),
        Ended,
        "after the end"
    );
}

#[test]
fn secrets_are_in_no_debug_output() {
    let keys = Keys::new(
        "AKID",
        "very-secret",
        Some("session-secret".to_owned()),
        None,
    );
    let access = [
        Access::Keys(keys),
        Access::ApiKey(Secret::new("api-secret")),
    ];
    let ask = instance::Token::answer(200, b"imds-secret")
        .unwrap()
        .ask_role();
    let environment = environment(&[
        ("AWS_BEARER_TOKEN_BEDROCK", "env-secret"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://x/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "proof-secret"),
    ])
    .unwrap();
    let profile = profile::find(
        "default",
        "[default]\naws_access_key_id=a\naws_secret_access_key=file-secret",
        "",
    )
    .unwrap();
    let proof = environment.container.as_ref().unwrap().ask(None).unwrap();
    let all = format!("{access:?} {ask:?} {environment:?} {profile:?} {proof:?}");
    assert!(!all.contains("secret"), "{all}");
    assert!(
        all.contains("AKID"),
        "the public half helps to find the keys: {all}"
    );
}
