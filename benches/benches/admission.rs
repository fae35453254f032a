//! The time it takes from the bytes of a shipped plugin to a plugin that serves, beside bare compilation of the same
//! component: the difference is hashing, the making of a component, the checks, the first instance and the smoke test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that can't go on says so by panicking"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};
use witgate_artifacts::SHIPPED;
use witgate_runtime::{Runtime, RuntimeOptions, Source};

/// The plugin with the sidecar that it is shipped with; with more patience, for a bench runs on busy machines too.
fn source(name: &str, wasm: &[u8]) -> Source {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let sidecar = fs::read_to_string(policies.join(format!("{name}.toml"))).unwrap_or_default();
    Source::new(name, wasm).with_sidecar(format!("{sidecar}\n[limits]\nconfigure_ms = 5000\n"))
}

fn admission(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("admission");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let mut config = Config::new();
    config.epoch_interruption(true).concurrency_support(false);
    let engine = Engine::new(&config).expect("the engine starts");

    for artifact in SHIPPED {
        let name = artifact.name();
        let component = wit_component::ComponentEncoder::default()
            .module(artifact.bytes())
            .and_then(|mut encoder| encoder.encode())
            .expect("it encodes");
        group.bench_function(format!("{name}/bare_compile"), |bencher| {
            bencher.iter(|| black_box(Component::from_binary(&engine, &component).unwrap()));
        });
        let source = source(name, artifact.bytes());
        group.bench_function(format!("{name}/admit"), |bencher| {
            bencher.iter(|| {
                let plugin = runtime.admit(&source);
                black_box(plugin.unwrap_or_else(|error| panic!("{error}")))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, admission);
criterion_main!(benches);
