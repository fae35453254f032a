//! The contract in two versions at once, and a gallery of guests of others.

mod older;
mod side_by_side;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use witgate_runtime::{
    AdmissionCause, CONTRACT_TEXT, CONTRACT_VERSION, CONTRACT_VERSIONS, Estimate, Lineup, Plan,
    Plugin, Remedy,
};

use crate::guest::{BASE, Guest, NEWEST, PLAN, SUBSCRIBED, VERSIONS};
use crate::request::{PATIENT, admit, alone, plain, route, runtime, source};

/// Returns the cause for which the host refuses a guest.
fn refusal(guest: &Guest) -> AdmissionCause {
    let source = source(guest.build(), PATIENT);
    runtime().admit(&source).expect_err("it is refused").cause
}

/// A budget hook with one charge, whose window and unit are empty texts or the first cases.
const CHARGE: &str = "(i32.store (i32.const 2056) (i32.const 4096))
    (i32.store (i32.const 2060) (i32.const 1))
    (i32.store (i32.const 4096) (i32.const 32)) (i32.store (i32.const 4100) (i32.const 2))";

pub(crate) const ESTIMATE: Estimate = Estimate {
    prompt_tokens: 1,
    output_tokens: 1,
    cost_picousd: None,
};

#[test]
fn the_tests_know_every_version() {
    assert_eq!(VERSIONS, CONTRACT_VERSIONS, "oldest first");
    assert_eq!(NEWEST, CONTRACT_VERSION, "the newest one");
}

#[test]
fn every_version_is_served_in_every_hook() {
    for version in ["0.2.0", "0.2.9", "0.3.0", "0.3.4"] {
        let guest = Guest::new()
            .with("lifecycle", "")
            .with("envelope", "")
            .with("route", "")
            .with("budget", CHARGE)
            .with("audit", "")
            .version(version);
        let plugin = admit(&guest, PATIENT);
        assert_eq!(plugin.hooks().count(), 4, "{version}");
        let lineup = alone(&plugin);
        let request = plain();
        let mut hooks = lineup.begin(Arc::clone(&request));
        hooks
            .envelope()
            .unwrap_or_else(|stop| panic!("{version}: {stop:?}"));
        route(&plugin, &request).unwrap_or_else(|stop| panic!("{version}: {stop:?}"));
        let charges = hooks
            .charges(&Arc::default(), &Arc::new(Plan::to("default")), &ESTIMATE)
            .unwrap_or_else(|stop| panic!("{version}: {stop:?}"));
        let remedy = hooks.exhausted(&charges[0], 3, None);
        assert!(
            matches!(remedy, Ok(Remedy::Overdraw)),
            "{version}: {remedy:?}"
        );
        assert!(plugin.metrics().faults.is_empty(), "{version}");
    }
}

/// A route hook that plans under the rule of the tenant that it is told.
fn reading(version: &'static str) -> Guest {
    let read = match version {
        // The tenant of the record behind the handle.
        BASE => "(local.set $p (i32.add (local.get $a) (i32.const 28)))",
        _ => "(call $tenant (i32.const 3072)) (local.set $p (i32.const 3072))",
    };
    let body = format!(
        "{read} {PLAN}
         (i32.store (i32.const 2060) (i32.load (local.get $p)))
         (i32.store (i32.const 2064) (i32.load offset=4 (local.get $p)))
         (i32.store (i32.const 2068) (i32.load offset=8 (local.get $p)))"
    );
    let guest = Guest::route(&body).version(version);
    match version {
        BASE => guest,
        _ => guest.fact("context#tenant", "$tenant", "(param i32)"),
    }
}

/// An envelope hook that names the tenant `it was`.
fn naming(version: &'static str) -> Guest {
    let body = "(i32.store8 (i32.const 2080) (i32.const 1))
        (i32.store (i32.const 2084) (i32.const 32))
        (i32.store (i32.const 2088) (i32.const 6))";
    Guest::new().with("envelope", body).version(version)
}

#[test]
fn plugins_of_two_versions_serve_in_one_lineup_and_see_each_others_envelope() {
    for (first, second) in [(BASE, NEWEST), (NEWEST, BASE)] {
        let admitted = |name: &str, guest: &Guest| -> Arc<Plugin> {
            let mut source = source(guest.build(), PATIENT);
            source.name = name.to_owned();
            runtime()
                .admit(&source)
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let plugins = vec![
            admitted("naming", &naming(first)),
            admitted("reading", &reading(second)),
        ];
        let lineup = Lineup::new(1, plugins, &[]);
        let mut hooks = lineup.begin(plain());
        let envelope = Arc::new(hooks.envelope().expect("it serves"));
        let plan = hooks.route(&envelope, None).expect("it serves");
        assert_eq!(
            plan.and_then(|plan| plan.rule).as_deref(),
            Some("it was"),
            "the envelope of {first} in {second}"
        );
    }
}

const SERVED: &str = "0.2.0 and 0.3.0";

#[test]
fn a_gallery_of_mismatched_guests_is_told_interface_versions_and_the_first_difference() {
    let count = (
        "count: func(name: string, by: u64)",
        "count: func(name: string, by: s64)",
    );
    let place = (
        "`rules[2].when`.\n        path: string,",
        "`rules[2].when`.\n        place: string,",
    );
    let rule = ("        rule: option<string>,", "        rule: string,");
    let used = "(call $count (i32.const 16) (i32.const 7) (i64.const 1))";
    let mut gallery = vec![
        (
            "a version of the past",
            Guest::route("").version("0.1.0"),
            &["at version 0.1.0", SERVED][..],
        ),
        (
            "a version to come",
            Guest::route("").version("0.4.0"),
            &["at version 0.4.0", SERVED],
        ),
        (
            "a version to come with another shape",
            Guest::route("").version("0.4.0").wit_edit(rule.0, rule.1),
            &[
                "0.4.0",
                "`types.plan` is `record { rule: string, ",
                "`record { rule: option<string>, ",
            ],
        ),
        (
            "a version of the far future",
            Guest::route("").version("1.0.0"),
            &["1.0.0", SERVED],
        ),
        (
            "a pre-release",
            Guest::route("").version("0.3.0-rc.1"),
            &["0.3.0-rc.1", SERVED],
        ),
    ];
    for version in VERSIONS {
        gallery.extend([
            (
                "an import changed in place",
                Guest::route(used)
                    .wit_edit(count.0, count.1)
                    .version(version),
                &[
                    "`metrics.count` is `func(name: string, by: s64)` in the plugin and `func(name: string, by: u64)` in the host",
                ][..],
            ),
            (
                "an export changed in place",
                Guest::new()
                    .with("lifecycle", "")
                    .with("route", "")
                    .wit_edit(place.0, place.1)
                    .version(version),
                &[
                    "`lifecycle.problem` is `record { place: string, message: string }` in the plugin and `record { path: string, message: string }` in the host",
                ],
            ),
            (
                "a changed record",
                Guest::route("").wit_edit(rule.0, rule.1).version(version),
                &["`types.plan` is `record { rule: string, "],
            ),
        ]);
    }
    let guard = || {
        let guest = Guest::new().with("lifecycle", SUBSCRIBED);
        guest.with("guard", "").version(NEWEST)
    };
    gallery.extend([
        (
            "a piece changed in place",
            guard().wit_edit("        last: bool,", "        last: u32,"),
            &[
                "`guard.piece` is `record { kind: content-kind, index: u32, text: string, last: u32 }` in the plugin",
            ][..],
        ),
        (
            "a kind of text that is not there",
            guard().wit_edit("        thinking,", "        pondering,"),
            &["`types.content-kind` is `variant { system, ", ", pondering, "],
        ),
        (
            "a configuration without a subscription",
            guard().wit_edit("        content: list<content-kind>,", ""),
            &["`lifecycle.configured` is `record { interests: list<interest>, correlation-header: "],
        ),
    ]);
    for (what, guest, told) in gallery {
        let cause = refusal(&guest);
        let text = cause.to_string();
        assert!(
            matches!(
                cause,
                AdmissionCause::VersionMismatch { .. } | AdmissionCause::TypeMismatch { .. }
            ),
            "{what}: {text}"
        );
        for words in told {
            assert!(text.contains(words), "{what}: {words:?} in {text:?}");
        }
        assert!(
            !text.contains("no matching implementation") && !text.contains("linker"),
            "{what}: in plain words: {text}"
        );
    }
}

/// The text of each published version, as it was published. A version that is published gets a line here; no line ever
/// changes.
const PUBLISHED: [(&str, &str); 1] = [(
    "0.2.0",
    "730d972bbb7c6b4e2c80203d73af12979d6e285dd81e482905514088c022e6c4",
)];

#[test]
fn published_text_never_changes() {
    use sha2::{Digest, Sha256};
    for (version, hash) in PUBLISHED {
        let folder = wit().join("frozen").join(version);
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let mut digest = Sha256::new();
        for file in files {
            digest.update(file.file_name().unwrap().as_encoded_bytes());
            digest.update(fs::read(file).unwrap());
        }
        let found: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, hash, "the text of {version} is as it was published");
    }
}

#[test]
fn the_working_text_is_of_the_newest_version_and_of_no_published_one() {
    let published = PUBLISHED.map(|(version, _)| version);
    assert!(
        published
            .iter()
            .all(|version| CONTRACT_VERSIONS.contains(version)),
        "what was published is served"
    );
    for (file, text) in CONTRACT_TEXT {
        assert!(
            text.starts_with(&format!("package witgate:plugin@{CONTRACT_VERSION};")),
            "{file} is of the newest version"
        );
        if published.contains(&CONTRACT_VERSION) {
            let frozen = wit().join("frozen").join(CONTRACT_VERSION).join(file);
            assert_eq!(
                fs::read_to_string(frozen).unwrap(),
                *text,
                "{file} is frozen"
            );
        }
    }
}

fn wit() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
}
