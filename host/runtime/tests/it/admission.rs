//! The admission of plugins, and the messages of refusals.

use std::io::Write as _;

use witgate_runtime::{AdmissionCause, AdmissionError, FaultKind, Hook, Source};

use crate::guest::Guest;
use crate::request::{PATIENT, admit, runtime, source};

fn refusal(wasm: impl Into<Vec<u8>>) -> AdmissionError {
    runtime()
        .admit(&source(wasm, ""))
        .expect_err("it isn't admitted")
}

#[test]
fn a_core_module_with_metadata_serves_with_the_hooks_that_it_has() {
    let guest = Guest::route("").with("audit", "").with("lifecycle", "");
    let plugin = admit(&guest, PATIENT);
    let hooks: Vec<_> = plugin.hooks().collect();
    assert_eq!(
        hooks,
        [Hook::Route, Hook::Audit],
        "in the order of a request"
    );
    assert_eq!(plugin.identity().wasm.len(), 64, "a SHA-256 in hex");
}

fn component() -> Vec<u8> {
    wit_component::ComponentEncoder::default()
        .module(&Guest::route("").build())
        .and_then(|mut encoder| encoder.encode())
        .expect("it encodes")
}

#[test]
fn a_component_serves_as_well() {
    runtime()
        .admit(&source(component(), PATIENT))
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_module_that_is_cut_off_anywhere_is_told_so() {
    let whole = Guest::route("").build();
    let head = 8;
    let mut at_a_boundary = 0;
    for length in head..whole.len() {
        match refusal(&whole[..length]).cause {
            AdmissionCause::CutOff(told) => assert_eq!(told, length, "it tells where"),
            // Between two sections it is a whole module, and says nothing of the contract yet.
            AdmissionCause::Encode(_) | AdmissionCause::NoHook => at_a_boundary += 1,
            other => panic!("after {length} of {} bytes: {other}", whole.len()),
        }
    }
    assert!(
        at_a_boundary < 20,
        "a module has few sections: {at_a_boundary}"
    );

    // A type, a function of it, and a code section of 100 bytes, of which six are there and make no sense.
    let short =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x64\x01\xff\xff\xff\xff\xff";
    assert!(
        matches!(refusal(*short).cause, AdmissionCause::CutOff(_)),
        "what there is of it is wrong too"
    );
}

#[test]
fn files_that_are_no_plugins_are_told_so() {
    assert!(
        matches!(refusal([]).cause, AdmissionCause::Empty),
        "nothing in it"
    );
    assert!(
        matches!(refusal(*b"#!/bin/sh").cause, AdmissionCause::NotWasm),
        "no wasm"
    );
    let mut half = component();
    half.truncate(half.len() / 2);
    let error = refusal(half);
    assert!(
        matches!(error.cause, AdmissionCause::Compile(_)),
        "half a component: {error}"
    );
    let error = refusal(wat::parse_str("(module)").unwrap());
    assert!(
        matches!(
            error.cause,
            AdmissionCause::NoHook | AdmissionCause::Encode(_)
        ),
        "no metadata: {error}"
    );
    assert!(
        matches!(
            refusal(Guest::new().with("lifecycle", "").build()).cause,
            AdmissionCause::NoHook
        ),
        "no hook"
    );
}

#[test]
fn a_foreign_import_is_named() {
    for import in ["acme:cache/store@0.2.0", "wasi:cli/stdout@0.3.0"] {
        let component = wat::parse_str(format!(
            r#"(component (import "{import}" (instance (export "x" (func)))))"#
        ));
        let text = refusal(component.unwrap()).to_string();
        assert!(
            text.contains(&format!("imports `{import}`")),
            "the import: {text}"
        );
        assert!(
            text.contains("log, ") && text.contains("of witgate:plugin, and wasi:*@0.2.x"),
            "what there is: {text}"
        );
    }
}

#[test]
fn another_version_of_the_contract_names_interface_and_both_versions() {
    let error = refusal(Guest::route("").version("0.4.0").build());
    match &error.cause {
        AdmissionCause::VersionMismatch {
            interface,
            wanted,
            served,
            ..
        } => {
            assert!(
                interface.starts_with("witgate:plugin/"),
                "the interface: {interface}"
            );
            assert_eq!(
                (&**wanted, &**served),
                ("0.4.0", "0.2.0 and 0.3.0"),
                "both versions"
            );
        }
        other => panic!("a version skew was expected, not {other}"),
    }
    let text = error.to_string();
    assert!(
        !text.contains("no matching implementation"),
        "in plain words: {text}"
    );
}

#[test]
fn an_export_at_another_version_is_named() {
    let component = wat::parse_str(
        r#"(component
            (instance $i)
            (export "witgate:plugin/route@0.4.0" (instance $i)))"#,
    );
    let text = refusal(component.unwrap()).to_string();
    assert!(
        text.contains(
            "exports `witgate:plugin/route` at version 0.4.0, and this host serves 0.2.0 and 0.3.0"
        ),
        "{text}"
    );
}

#[test]
fn an_export_that_the_contract_does_not_have_is_named() {
    // The second one is a hook, but not of this version.
    for export in ["witgate:plugin/moat@0.1.0", "witgate:plugin/guard@0.2.0"] {
        let text = format!(r#"(component (instance $i) (export "{export}" (instance $i)))"#);
        let text = refusal(wat::parse_str(text).unwrap()).to_string();
        assert!(text.contains(&format!("exports `{export}`")), "{text}");
    }
}

#[test]
fn a_fault_in_the_smoke_test_refuses_and_a_refusal_does_not() {
    let error = refusal(Guest::route("unreachable").build());
    match &error.cause {
        AdmissionCause::SmokeTest(fault) => {
            assert_eq!(fault.hook, Some(Hook::Route), "the hook");
            assert!(matches!(fault.kind, FaultKind::Trap(_)), "the kind");
        }
        other => panic!("a failed smoke test was expected, not {other}"),
    }
    let refuses = "(i32.store8 (i32.const 2048) (i32.const 1)) (i32.store16 (i32.const 2056) (i32.const 403))";
    admit(&Guest::route(refuses), PATIENT);
}

#[test]
fn a_module_for_an_older_system_is_told_which_one_to_build_for() {
    let mut guest =
        Guest::route("").extra("(func (drop (call $random (i32.const 0) (i32.const 0))))");
    guest = guest.import(
        "(import \"wasi_snapshot_preview1\" \"random_get\" (func $random (param i32 i32) (result i32)))",
    );
    let error = refusal(guest.build());
    assert!(
        matches!(error.cause, AdmissionCause::OldWasi)
            && error.to_string().contains("wasm32-wasip2"),
        "{error}"
    );
}

#[test]
fn every_import_that_the_host_does_not_have_is_named() {
    let component = wat::parse_str(
        r#"(component (import "acme:vault/secrets@1.0.0" (instance (export "x" (func))))
            (import "acme:cache/store@0.2.0" (instance (export "x" (func)))))"#,
    );
    let text = refusal(component.unwrap()).to_string();
    for import in ["acme:vault/secrets@1.0.0", "acme:cache/store@0.2.0"] {
        assert!(
            text.contains(&format!("imports `{import}`")),
            "{import} in {text}"
        );
    }
}

#[test]
fn a_file_is_looked_at_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let sparse = |name: &str, start: &[u8], len: u64| {
        let path = folder.path().join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(start).unwrap();
        // Such a file takes no room on the disk, and all of it in memory once it is read.
        file.set_len(len).unwrap();
        path
    };
    let huge = 1 << 40;
    let other = sparse("other.wasm", b"SQLite format 3", huge);
    assert!(
        matches!(
            Source::read(&other).map_err(|error| error.cause),
            Err(AdmissionCause::NotWasm)
        ),
        "by its first bytes"
    );
    let wasm = sparse("wasm.wasm", b"\0asm\x01\0\0\0", huge);
    let error = Source::read(&wasm)
        .expect_err("it is too large")
        .to_string();
    assert!(
        error.contains("is larger than the limit of 268435456 bytes"),
        "{error}"
    );
    std::fs::write(folder.path().join("small.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let sidecar = sparse("small.toml", b"order = 1", huge);
    let error =
        Source::read(&folder.path().join("small.wasm")).expect_err("its sidecar is too large");
    let error = error.to_string();
    assert!(
        error.contains(&sidecar.display().to_string()),
        "which file: {error}"
    );
}

#[test]
fn a_directory_in_the_place_of_a_plugin_is_called_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugin.wasm");
    std::fs::create_dir(&path).unwrap();
    let error = Source::read(&path)
        .expect_err("it can't be read")
        .to_string();
    assert!(error.ends_with("it is a directory"), "{error}");
}
