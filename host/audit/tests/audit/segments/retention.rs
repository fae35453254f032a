//! Old segments.

use std::fs;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, SystemTime};

use witgate_audit::segments::Retention;

use super::Scene;

#[test]
fn whole_segments_are_deleted_by_number_size_and_age() {
    let scene = || {
        let scene = Scene::new();
        scene.append(250, 0..13);
        scene.tidy(&Retention::default());
        assert_eq!(scene.names().len(), 5, "four closed ones");
        scene
    };
    let by_count = Retention {
        count: NonZeroU32::new(2),
        ..Retention::default()
    };
    let by_size = |scene: &Scene| {
        let last = scene.folder.path().join("receipts.jsonl.000004.zst");
        Retention {
            bytes: NonZeroU64::new(fs::metadata(last).unwrap().len() * 5 / 2),
            ..Retention::default()
        }
    };
    for size in [false, true] {
        let scene = scene();
        let retention = if size {
            by_size(&scene)
        } else {
            by_count.clone()
        };
        scene.tidy(&retention);
        assert_eq!(
            scene.names(),
            [
                "receipts.jsonl",
                "receipts.jsonl.000003.zst",
                "receipts.jsonl.000004.zst"
            ],
            "the oldest are gone"
        );
        let report = scene.verify();
        assert!(report.findings.is_empty(), "the rest is whole: {report:?}");
        assert_eq!(report.range.unwrap().0.segment, 3, "from there on");
    }
    let scene = scene();
    let day = Duration::from_secs(86_400);
    let old = scene.folder.path().join("receipts.jsonl.000001.zst");
    let file = fs::File::options().append(true).open(&old).unwrap();
    file.set_modified(SystemTime::now() - 3 * day).unwrap();
    let by_age = Retention {
        age: Some(2 * day),
        ..Retention::default()
    };
    scene.tidy(&by_age);
    assert_eq!(scene.names().len(), 4, "only the old one is gone");
}
