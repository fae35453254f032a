//! Signatures and pins.

use witgate_runtime::{AdmissionCause, Allocation, Runtime, RuntimeOptions, Source, TrustedKeys};

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, granting, runtime};

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

/// Two public keys of minisign, and what the first one has signed: the bytes `these bytes are signed`.
const TRUSTED: &str = "RWR0ZXN0a2V5QQTDoeR4YZv6iUKcWCd/nwYVpKCVpGCFW/rk+GnvActg";
const STRANGER: &str = "RWR0ZXN0a2V5QiXtneuY2zEb9eIGa+8souzZU2Esv3ve8SY+DnBX9dtB";
const SIGNED: &str = "these bytes are signed";
const SIGNATURE: &str = "\
untrusted comment: signature from minisign secret key
RUR0ZXN0a2V5QYADCPNATo919LMYOpCkELoPNE1UBVvUbsOy9Mw9sh2ADQ0YKPPwtEFuK/4Br6xRQ5LpZrovBlgPnsdC0E26pgw=
trusted comment: timestamp:0
FbLS3BpVVR7e+xqvwXdUnPJlz0odsK6/TspsLOSiSggaJOaunuoDb5dgUmP49Fngq3K56RzwXPIkrqCEjIdACQ==
";

/// Returns the cause for which a source is refused if `keys` are trusted.
fn refused(keys: &str, source: &Source) -> AdmissionCause {
    let runtime = Runtime::try_new(
        RuntimeOptions::default()
            .with_trusted_keys(TrustedKeys::parse("keys.pub", keys).expect("keys"))
            .with_allocation(Allocation::OnDemand),
    );
    let admitted = runtime.expect("the engine starts").admit(source);
    admitted.expect_err("no such bytes are a plugin").cause
}

#[test]
fn only_what_a_trusted_key_has_signed_is_looked_at() {
    let signed = Source::new("probe", SIGNED).with_signature(SIGNATURE);
    for keys in [TRUSTED.to_owned(), format!("{STRANGER}\n{TRUSTED}\n")] {
        let cause = refused(&keys, &signed);
        assert!(
            matches!(cause, AdmissionCause::NotWasm),
            "its signature is right, so that its bytes are looked at: {cause}"
        );
    }

    let other_bytes = Source::new("probe", "these bytes are not").with_signature(SIGNATURE);
    let cut_short = Source::new("probe", SIGNED).with_signature(&SIGNATURE[..150]);
    let said_otherwise = SIGNATURE.replace("timestamp:0", "timestamp:1");
    let said_otherwise = Source::new("probe", SIGNED).with_signature(said_otherwise);
    for (keys, source) in [
        (TRUSTED, &Source::new("probe", SIGNED)),
        (TRUSTED, &other_bytes),
        (TRUSTED, &cut_short),
        (TRUSTED, &said_otherwise),
        (STRANGER, &signed),
    ] {
        let cause = refused(keys, source);
        assert!(
            matches!(cause, AdmissionCause::Signature(_)),
            "{keys}: {cause}"
        );
    }
}
