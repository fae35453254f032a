//! A process that ends in the middle of a rotation.

use std::fs;

use witgate_audit::segments::{Retention, list, recent};

use super::Scene;

/// Files with their names.
type Files = Vec<(&'static str, Vec<u8>)>;

/// The files after each step of a rotation, in order. `plain` are the lines of a segment, and `sealed` are they compressed.
fn states(plain: &[u8], sealed: &[u8]) -> Vec<(&'static str, Files)> {
    let (open, closed) = ("receipts.jsonl", "receipts.jsonl.000001");
    let (compressed, unfinished) = (
        "receipts.jsonl.000001.zst",
        "receipts.jsonl.000001.zst.unfinished",
    );
    let half = || sealed[..sealed.len() / 2].to_vec();
    let (plain, sealed) = (|| plain.to_vec(), || sealed.to_vec());
    vec![
        ("it is full", vec![(open, plain())]),
        ("it got its number", vec![(closed, plain())]),
        (
            "there is a new file",
            vec![(closed, plain()), (open, Vec::new())],
        ),
        (
            "it is being compressed",
            vec![(closed, plain()), (unfinished, half())],
        ),
        (
            "it is compressed",
            vec![(closed, plain()), (unfinished, sealed())],
        ),
        (
            "both forms are there",
            vec![(closed, plain()), (compressed, sealed())],
        ),
        ("one form is left", vec![(compressed, sealed())]),
    ]
}

#[test]
fn a_kill_after_any_step_of_a_rotation_loses_no_line_and_reads_none_twice() {
    let model = Scene::new();
    model.append(1 << 20, 0..5);
    let plain = fs::read(&model.path).unwrap();
    fs::rename(
        &model.path,
        model.folder.path().join("receipts.jsonl.000001"),
    )
    .unwrap();
    model.tidy(&Retention::default());
    let sealed = fs::read(model.folder.path().join("receipts.jsonl.000001.zst")).unwrap();

    for (step, files) in states(&plain, &sealed) {
        let scene = Scene::new();
        for (name, content) in &files {
            fs::write(scene.folder.path().join(name), content).unwrap();
        }
        let all = (0..5).collect::<Vec<_>>();
        assert_eq!(scene.numbers(), all, "all are read after: {step}");
        let found = recent(&scene.path).unwrap().count();
        assert_eq!(found, 5, "the last ones are found after: {step}");
        // Another process goes on, and rotates it if it was not.
        scene.append(plain.len() as u64, 5..8);
        scene.tidy(&Retention::default());
        let report = scene.verify();
        assert!(report.is_intact(), "after: {step}: {report:?}");
        assert_eq!(
            scene.numbers(),
            (0..8).collect::<Vec<_>>(),
            "after: {step}, and three more"
        );
        let mut names = scene.names();
        names.sort();
        assert_eq!(
            names,
            ["receipts.jsonl", "receipts.jsonl.000001.zst"],
            "nothing else is left after: {step}"
        );
        let mut read = 0;
        for segment in list(&scene.path).unwrap() {
            let mut lines = segment.lines(0).unwrap().expect("it is there");
            let mut line = Vec::new();
            while lines.read(&mut line).unwrap() {
                read += 1;
            }
        }
        assert_eq!(read, 8, "a reader of segments after: {step}");
    }
}

#[test]
fn the_last_receipts_are_found_however_many_segments_they_are_in() {
    let scene = Scene::new();
    scene.append(100, 0..40);
    scene.tidy(&Retention::default());
    assert!(scene.names().len() > 10, "there are many segments");
    let found = recent(&scene.path).unwrap();
    let found = found.map(|line| line.unwrap()).collect::<Vec<_>>();
    assert_eq!(found.len(), 40, "all of them are recent");
}
