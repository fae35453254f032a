//! Fields that are removed from old segments.

use std::fs;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use witgate_audit::Sink;
use witgate_audit::segments::{Problem, Retention, Rotation, Rule, Segments};

use super::{Scene, lines};

/// Replaces the number of each line by zero.
fn forgetting(name: &str) -> Rotation {
    Rotation {
        max_bytes: NonZeroU64::new(250).unwrap(),
        retention: Retention::default(),
        rule: Some(Rule {
            name: name.to_owned(),
            age: Duration::ZERO,
            edit: Arc::new(|_| b"{\"n\":0}".to_vec()),
        }),
    }
}

/// Returns the rules by which fields were removed from the first three segments, as a check tells.
fn rules(scene: &Scene) -> Vec<String> {
    let findings = scene.verify().findings.into_iter();
    let rules = findings.filter_map(|finding| match finding.problem {
        Problem::Without(1..=3, rules) => Some(rules),
        _ => None,
    });
    rules.collect()
}

/// Appends lines until the first three segments have been rewritten. Returns the number of lines.
fn forget(scene: &Scene, rule: &str, from: usize) -> usize {
    let mut sink = Segments::new(&scene.path, forgetting(rule));
    let mut number = from;
    let is_done = |scene: &Scene| {
        let rules = rules(scene);
        rules.len() == 3 && rules.iter().all(|of| of.ends_with(rule))
    };
    while !is_done(scene) {
        // The keeper's thread writes a segment anew, and waits for a record that tells of it.
        sink.append(&lines(number..number + 1)).unwrap();
        number += 1;
        std::thread::yield_now();
    }
    number
}

fn old() -> Scene {
    let scene = Scene::new();
    scene.append(250, 0..13);
    scene.tidy(&Retention::default());
    scene
}

#[test]
fn fields_of_old_segments_are_removed_and_the_check_says_by_which_rule() {
    let scene = old();
    let noted = scene.verify().hash.unwrap();
    let count = forget(&scene, "drop:n", 13);
    let report = scene.verify();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.records, count as u64, "no record is lost");
    assert_eq!(scene.numbers()[..9], [0; 9], "what was removed is gone");
    let says = "receipts.jsonl.000001.zst: fields were removed from segment 1 by the rule drop:n, as a later record says";
    let told = scene.problems();
    assert!(told.contains(&says.to_owned()), "{told:?}");
    let report = witgate_audit::segments::verify(&scene.path, Some(&noted)).unwrap();
    assert!(
        report.has_hash,
        "a hash that was noted before is still there"
    );

    let count = forget(&scene, "hash:m", count);
    let report = scene.verify();
    assert!(report.is_intact(), "a second rule: {report:?}");
    assert_eq!(report.records, count as u64, "no record is lost");
    assert_eq!(rules(&scene), ["drop:n;hash:m"; 3], "both are told");
}

#[test]
fn a_process_that_is_killed_before_a_second_rule_takes_effect_leaves_nothing_to_find() {
    let scene = old();
    let path = scene.folder.path().join("receipts.jsonl.000002.zst");
    let count = forget(&scene, "drop:n", 13);
    let first = fs::read(&path).unwrap();
    forget(&scene, "hash:m", count);
    // The record of the second rule is written before the file.
    fs::write(&path, &first).unwrap();
    let report = scene.verify();
    assert!(report.is_intact(), "the form before fits, too: {report:?}");
}

#[test]
fn a_segment_that_somebody_else_wrote_anew_is_found() {
    let scene = old();
    let path = scene.folder.path().join("receipts.jsonl.000002.zst");
    let before = fs::read(&path).unwrap();
    forget(&scene, "drop:n", 13);
    let rewritten = fs::read(&path).unwrap();
    fs::write(&path, &before).unwrap();
    assert!(scene.verify().is_intact(), "the original fits, too");

    // Rewritten in the same way, but never announced.
    let other = old();
    forget(&other, "drop:more", 13);
    fs::copy(other.folder.path().join("receipts.jsonl.000002.zst"), &path).unwrap();
    let told = scene.problems();
    assert!(
        told.iter()
            .any(|it| it.ends_with("segment 2 was written anew, and no later record says so")),
        "{told:?}"
    );

    let changed = zstd::decode_all(&rewritten[..]).unwrap();
    let changed = String::from_utf8(changed)
        .unwrap()
        .replace("\"n\":0", "\"n\":7");
    fs::write(&path, zstd::encode_all(changed.as_bytes(), 0).unwrap()).unwrap();
    let told = scene.problems();
    assert!(
        told.iter()
            .any(|it| it.contains("000002.zst:1: record 2.1 was changed")),
        "{told:?}"
    );
}

#[test]
fn nothing_is_removed_from_a_segment_that_was_changed() {
    let scene = old();
    let path = scene.folder.path().join("receipts.jsonl.000002.zst");
    let text = zstd::decode_all(&fs::read(&path).unwrap()[..]).unwrap();
    let text = String::from_utf8(text).unwrap();
    let changed = text.replacen("\"n\":3", "\"n\":9", 1);
    assert_ne!(text, changed, "a record was changed");
    let changed = zstd::encode_all(changed.as_bytes(), 0).unwrap();
    fs::write(&path, &changed).unwrap();
    let mut sink = Segments::new(&scene.path, forgetting("drop:n"));
    let mut number = 13;
    while rules(&scene).len() < 2 {
        sink.append(&lines(number..number + 1)).unwrap();
        number += 1;
        std::thread::yield_now();
    }
    assert_eq!(fs::read(&path).unwrap(), changed, "it stays as evidence");
}

#[test]
fn a_kill_between_any_two_steps_leaves_a_chain_that_a_new_process_completes() {
    let scene = old();
    let path = scene.folder.path().join("receipts.jsonl.000001.zst");
    let rewritten = scene
        .folder
        .path()
        .join("receipts.jsonl.000001.zst.rewritten");
    let original = fs::read(&path).unwrap();
    let count = forget(&scene, "drop:n", 13);
    // As if the process had ended after the record, and before the new file took its place.
    fs::rename(&path, &rewritten).unwrap();
    fs::write(&path, original).unwrap();
    assert!(
        scene.verify().is_intact(),
        "between the record and the new file"
    );
    let count = forget(&scene, "drop:n", count);
    assert!(!rewritten.exists(), "the new file took its place");
    // As if it had ended while the new file was written.
    fs::write(&rewritten, b"").unwrap();
    let count = forget(&scene, "hash:m", count);
    let report = scene.verify();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.records, count as u64, "no record is lost");
}
