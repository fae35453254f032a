//! Changes of segments by others than the gateway.

use std::fs;

use witgate_audit::segments::{Retention, verify};

use super::Scene;

#[test]
fn every_change_is_found_in_its_file_and_line() {
    type Change = fn(Vec<&str>) -> Vec<&str>;
    let scene = || {
        let scene = Scene::new();
        scene.append(1 << 20, 0..6);
        scene
    };
    let table: [(Change, &[&str]); 6] = [
        (
            |mut lines| {
                lines.remove(2);
                lines
            },
            &["receipts.jsonl:3: record 1.3 is missing"],
        ),
        (
            |mut lines| {
                lines.drain(..2);
                lines
            },
            &["receipts.jsonl:1: records 1.1 to 1.2 are missing"],
        ),
        (
            |mut lines| {
                lines.swap(2, 3);
                lines
            },
            &[
                "receipts.jsonl:3: record 1.3 is missing",
                "receipts.jsonl:4: record 1.3 is out of order",
            ],
        ),
        (
            |mut lines| {
                lines.insert(3, lines[1]);
                lines
            },
            &["receipts.jsonl:4: record 1.2 is out of order"],
        ),
        (
            |mut lines| {
                lines.insert(3, "{\"n\":9}");
                lines
            },
            &["receipts.jsonl:4: a line that was not written by the gateway, or was changed"],
        ),
        (
            |mut lines| {
                lines[4] = Box::leak(lines[4].replace("\"n\":4", "\"n\":5").into_boxed_str());
                lines
            },
            &["receipts.jsonl:5: record 1.5 was changed"],
        ),
    ];
    for (change, expected) in table {
        let scene = scene();
        scene.change("receipts.jsonl", change);
        assert_eq!(scene.problems(), expected);
        assert!(!scene.verify().is_intact(), "{expected:?}");
    }
}

#[test]
fn changes_of_closed_segments_are_found_too() {
    let scene = || {
        let scene = Scene::new();
        scene.append(250, 0..10);
        scene.tidy(&Retention::default());
        scene
    };
    let whole = scene();
    let at = |scene: &Scene, number: u32| {
        scene
            .folder
            .path()
            .join(format!("receipts.jsonl.{number:06}.zst"))
    };
    fs::remove_file(at(&whole, 2)).unwrap();
    assert_eq!(
        whole.problems(),
        ["receipts.jsonl.000003.zst: segment 2 is missing before this one"]
    );

    let rewritten = scene();
    let path = at(&rewritten, 2);
    let text =
        String::from_utf8(zstd::decode_all(fs::File::open(&path).unwrap()).unwrap()).unwrap();
    let changed = text.replace("\"n\":4,", "\"n\":5,");
    fs::write(&path, zstd::encode_all(changed.as_bytes(), 0).unwrap()).unwrap();
    let problems = rewritten.problems();
    assert!(
        problems[0].starts_with("receipts.jsonl.000002.zst:2: record 2.2 was changed"),
        "{problems:?}"
    );
    assert!(
        problems[1].contains("is not what its seal says"),
        "{problems:?}"
    );

    let short = scene();
    let path = at(&short, 2);
    let lines: Vec<_> = text.lines().collect();
    fs::write(
        &path,
        zstd::encode_all(lines[..2].join("\n").as_bytes(), 0).unwrap(),
    )
    .unwrap();
    let problems = short.problems();
    assert!(
        problems
            .iter()
            .any(|it| it.contains("segment 2 is not what its seal says")),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .any(|it| it.contains("segment 3 does not follow the one before it")),
        "{problems:?}"
    );

    let broken = scene();
    fs::write(at(&broken, 1), "nothing of the kind").unwrap();
    let problems = broken.problems();
    assert!(
        problems[0].contains("the file can't be read"),
        "{problems:?}"
    );
}

#[test]
fn a_hash_that_was_noted_tells_whether_the_end_was_cut_off() {
    let scene = Scene::new();
    scene.append(250, 0..5);
    let noted = scene.verify().hash.expect("a record");
    scene.append(250, 5..7);
    let has = |scene: &Scene| verify(&scene.path, Some(&noted)).unwrap().has_hash;
    assert!(has(&scene), "more came behind it");
    scene.change("receipts.jsonl", |lines| lines[..0].to_vec());
    fs::remove_file(scene.folder.path().join("receipts.jsonl.000002")).unwrap();
    assert!(!has(&scene), "it is gone");
}
