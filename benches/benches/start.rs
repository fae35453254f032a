//! The time a host takes from nothing to the four shipped plugins serving: with what an earlier start has left in the
//! cache, beside a start that has to compile everything.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that can't go on says so by panicking"
)]

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use witgate_artifacts::SHIPPED;
use witgate_runtime::{Policies, PoliciesOptions, Runtime, RuntimeOptions};

/// The shipped plugins with the sidecars that they are shipped with.
fn install(policies: &Path) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    for artifact in SHIPPED {
        artifact.install(policies).expect("it is put there");
        let sidecar = format!("{}.toml", artifact.name());
        let text = fs::read_to_string(shipped.join(&sidecar)).expect("it has one");
        // With more patience, for a bench runs on busy machines too.
        let text = format!("{text}\n[limits]\nconfigure_ms = 5000\n");
        fs::write(policies.join(sidecar), text).expect("it is put there");
    }
}

/// An engine and a lineup, as at the start of a process. Tells what was compiled.
fn start(policies: &Path, cache: Option<PathBuf>) -> (Policies, u64) {
    let runtime =
        Runtime::try_new(RuntimeOptions::default().with_cache(cache)).expect("the engine starts");
    let opened = Policies::open(runtime.clone(), policies, PoliciesOptions::default());
    let opened = opened.expect("the directory is there");
    assert_eq!(
        opened.current().plugins().len(),
        SHIPPED.len(),
        "all serve: {:?}",
        opened.status()
    );
    (opened, runtime.compilations())
}

fn starting(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (policies, cache) = (folder.path().join("policies"), folder.path().join("code"));
    fs::create_dir(&policies).expect("a folder");
    install(&policies);

    let mut group = criterion.benchmark_group("start");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    let (_, compiled) = start(&policies, Some(cache.clone()));
    assert!(compiled > 0, "the first start fills the cache");
    group.bench_function("four_cached_plugins", |bencher| {
        bencher.iter(|| {
            let (opened, compiled) = start(&policies, Some(cache.clone()));
            assert_eq!(compiled, 0, "everything is in the cache");
            black_box(opened)
        });
    });
    group.bench_function("four_plugins_without_a_cache", |bencher| {
        bencher.iter(|| black_box(start(&policies, None)));
    });
    group.finish();
}

criterion_group!(benches, starting);
criterion_main!(benches);
