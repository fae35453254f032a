use std::path::Path;

use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn file(key: &NewKey) -> String {
    format!(
        "[[key]]\nid = \"alice\"\nhash = \"{}\"\ntenant = \"acme\"\nlabels = {{ team = \"x\" }}\n",
        key.hash
    )
}

#[test]
fn a_new_key_opens_the_gate_for_its_caller_only() {
    let key = NewKey::random();
    let ring = Keyring::parse(Path::new("keys.toml"), &file(&key)).unwrap();
    let caller = ring
        .caller(Some(key.secret.as_bytes()), NOW)
        .expect("the key is known");
    assert_eq!(
        (&*caller.id, caller.tenant.as_deref()),
        ("alice", Some("acme")),
        "whose key it is"
    );
    let other = NewKey::random();
    assert!(
        ring.caller(Some(other.secret.as_bytes()), NOW).is_err(),
        "another key stays outside"
    );
    assert!(ring.caller(None, NOW).is_err(), "no key stays outside");
}

#[test]
fn a_key_with_models_may_ask_for_these_only() {
    let key = NewKey::random();
    let text = file(&key) + "models = [\"claude-sonnet-*\", \"balanced\", \"*-5-5-*x\"]\n";
    let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
    let caller = ring.caller(Some(key.secret.as_bytes()), NOW).unwrap();
    for (model, wanted) in [
        ("claude-sonnet-5-5", true),
        ("claude-sonnet-", true),
        ("claude-sonnet", false),
        ("balanced", true),
        ("balanced2", false),
        ("claude-5-5-yx", true),
        ("claude-5-5-y", false),
        ("-5-5-x", true),
        ("-5-5x", false),
        ("", false),
    ] {
        assert_eq!(caller.may_use(model), wanted, "{model}");
    }
    let text = file(&key);
    let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
    let caller = ring.caller(Some(key.secret.as_bytes()), NOW).unwrap();
    assert!(caller.may_use("anything"), "without a list every model");
}

#[test]
fn a_disabled_key_stays_outside() {
    let key = NewKey::random();
    let text = file(&key) + "disabled = true\n";
    let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
    assert!(
        ring.caller(Some(key.secret.as_bytes()), NOW).is_err(),
        "disabled"
    );
}

#[test]
fn a_key_is_valid_until_it_expires_and_is_ours_after_that() {
    let key = NewKey::random();
    let text = file(&key) + "expires = \"2027-01-15T08:00:00Z\"\n";
    let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
    let secret = key.secret.as_bytes();
    let (before, at) = (UnixMillis(NOW.0 - 1), NOW);
    assert!(ring.caller(Some(secret), before).is_ok(), "a moment before");
    assert_eq!(
        ring.caller(Some(secret), at).unwrap_err(),
        Unidentified::Expired(at),
        "at the time itself"
    );
    assert!(ring.is_ours(secret), "no upstream may see it");
}

#[test]
fn the_previous_key_of_a_caller_is_valid_until_its_own_end() {
    let (old, new) = (NewKey::random(), NewKey::random());
    let text = format!(
        "{}previous = {{ hash = \"{}\", expires = \"2027-01-15T08:00:00Z\" }}\n",
        file(&new),
        old.hash
    );
    let ring = Keyring::parse(Path::new("keys.toml"), &text).unwrap();
    let id = |key: &NewKey, now| {
        let caller = ring.caller(Some(key.secret.as_bytes()), now);
        caller.map(|caller| caller.id.to_string())
    };
    let before = UnixMillis(NOW.0 - 1);
    assert_eq!(id(&old, before).as_deref(), Ok("alice"), "within the grace");
    assert_eq!(id(&new, before).as_deref(), Ok("alice"), "the new one");
    assert_eq!(id(&old, NOW), Err(Unidentified::Expired(NOW)), "after it");
    assert_eq!(id(&new, NOW).as_deref(), Ok("alice"), "the new one stays");
    assert_eq!(ring.callers().count(), 2, "by two credentials");
}

#[test]
fn every_problem_of_a_keys_file_is_told_at_once() {
    let text = "[[key]]\nid = \"a\"\nhash = \"plain\"\ncolour = 1\n\n[[key]]\nid = \"a\"\nhash = \"sha256:00\"\n";
    let problems = Keyring::parse(Path::new("keys.toml"), text)
        .unwrap_err()
        .to_string();
    for told in ["keys.toml:3", "keys.toml:4", "keys.toml:7", "keys.toml:8"] {
        assert!(problems.contains(told), "{told} is told in:\n{problems}");
    }
}
