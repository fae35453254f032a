//! Who made a plugin, and which bytes an operator means.

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, granting, runtime};
use witgate_runtime::{AdmissionCause, Source, TrustedKeys};

fn pinned(sidecar: &str) -> Result<(), AdmissionCause> {
    let source = Source::new("probe", Guest::route(PLAN).build()).with_sidecar(granting(sidecar));
    match runtime().admit(&source) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.cause),
    }
}

#[test]
fn only_the_pinned_bytes_serve() {
    let hash = Source::new("probe", Guest::route(PLAN).build())
        .identity()
        .wasm;
    assert!(
        pinned(&format!("sha256 = \"{hash}\"\n{PATIENT}")).is_ok(),
        "these are they"
    );
    let upper = hash.to_uppercase();
    assert!(
        pinned(&format!("sha256 = \"{upper}\"\n{PATIENT}")).is_ok(),
        "in any case"
    );
    let other = "0".repeat(64);
    match pinned(&format!("sha256 = \"{other}\"\n{PATIENT}")) {
        Err(cause @ AdmissionCause::Pin { .. }) => {
            let text = cause.to_string();
            assert!(
                text.contains(&other) && text.contains(&*hash),
                "both hashes: {text}"
            );
        }
        other => panic!("these are others: {other:?}"),
    }
    match pinned(&format!("sha256 = \"abc\"\n{PATIENT}")) {
        Err(AdmissionCause::Sidecar(problems)) => {
            let text = problems.to_string();
            assert!(text.contains("probe.toml:1: `sha256`"), "{text}");
        }
        other => panic!("three digits are no hash: {other:?}"),
    }
}

#[test]
fn a_file_of_trusted_keys_says_what_is_wrong_with_it() {
    let error = TrustedKeys::parse("keys.pub", "# ours\nnonsense\n").expect_err("no key");
    assert!(error.to_string().starts_with("keys.pub:2:"), "{error}");
    let error = TrustedKeys::parse("keys.pub", "# none\n").expect_err("nobody");
    assert!(error.to_string().contains("keys.pub has no key"), "{error}");
}
