//! Secrets in the settings of a plugin: it gets them, and nothing shows them.

use witgate_runtime::{Configured, Rejection};

use crate::guest::{Guest, NEWEST};
use crate::lines::written;
use crate::request::{PATIENT, plain, route, runtime, source};

const SECRET: &str = "s3cr3t-salt";

/// Asks for the settings: their address is at 1024, and their length at 1028.
const ASK: &str = "(call $settings (i32.const 1024))";
const TEXT: &str = "(i32.load (i32.const 1024)) (i32.load (i32.const 1028))";

/// Returns a sidecar whose settings hold the secret by reference to this file.
fn sidecar(file: &std::path::Path, more: &str) -> String {
    format!(
        "{more}\n{PATIENT}[settings]\nsalt = {{ file = \"{}\" }}\n",
        file.display()
    )
}

fn secret() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{SECRET}\n")).unwrap();
    file
}

#[test]
fn a_plugin_gets_a_secret_and_its_log_line_is_redacted() {
    let file = secret();
    let guest = Guest::route(&format!("{ASK} (call $log (i32.const 2) {TEXT})")).version(NEWEST);
    let plugin = runtime()
        .admit(&source(guest.build(), &sidecar(file.path(), "")))
        .expect("it is admitted");
    let lines = written(|| {
        route(&plugin, &plain()).expect("it serves");
    });
    assert_eq!(
        lines,
        [r#"INFO {"salt":"[secret]"}"#],
        "what it was given, redacted"
    );
}

#[test]
fn a_fault_of_a_plugin_does_not_tell_its_secret() {
    let file = secret();
    let guest = Guest::route(&format!(
        "(if (global.get $calls) (then {ASK} (call $failure {TEXT}) unreachable)) (global.set $calls (i32.const 1))"
    ))
    .version(NEWEST);
    let plugin = runtime()
        .admit(&source(guest.build(), &sidecar(file.path(), "")))
        .expect("it is admitted");
    let told: Vec<_> = (0..4)
        .filter_map(|_| match route(&plugin, &plain()) {
            Err(Rejection::Fault(fault)) => Some(fault.to_string()),
            _ => None,
        })
        .collect();
    assert!(!told.is_empty(), "it faults at its second call");
    for text in told {
        assert!(
            text.contains("[secret]") && !text.contains(SECRET),
            "{text}"
        );
    }
}

#[test]
fn a_secret_is_in_no_prepared_image() {
    let file = secret();
    let guest = Guest::route("").with("lifecycle", "").version(NEWEST);
    let sidecar = sidecar(file.path(), "instances = \"fresh\"");
    let plugin = runtime()
        .admit(&source(guest.build(), &sidecar))
        .expect("it is admitted");
    match plugin.configured() {
        Configured::PerInstance { why: Some(why) } => assert!(why.contains("secrets"), "{why}"),
        other => panic!("it is configured for each instance, not {other:?}"),
    }
}

#[test]
fn a_reference_that_leads_nowhere_refuses_the_plugin_with_its_line() {
    let guest = Guest::route("").version(NEWEST);
    let sidecar = format!("{PATIENT}[settings]\nsalt = {{ env = \"WITGATE_TEST_NOT_SET\" }}\n");
    let refused = runtime()
        .admit(&source(guest.build(), &sidecar))
        .expect_err("it is refused");
    let text = refused.to_string();
    assert!(
        text.contains("settings.salt") && text.contains("`WITGATE_TEST_NOT_SET` is not set"),
        "{text}"
    );
}
