//! Compiling in a process of its own: what becomes of a plugin when that process fails.

use std::time::{Duration, Instant};

use witgate_runtime::{AdmissionCause, Allocation, Compiler, Runtime, RuntimeOptions};

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, plain, route, source};

/// A runtime whose compiler is a line of shell. The code of the tests' guest is in the file `$0`.
fn runtime(line: &str, code: &str, timeout: Duration, memory_bytes: u64) -> Runtime {
    let compiler = Compiler::new("/bin/sh")
        .with_arguments(["-c", line, code].map(Into::into).to_vec())
        .with_from_bytes(0)
        .with_timeout(timeout)
        .with_memory_bytes(memory_bytes);
    let options = RuntimeOptions::default()
        .with_allocation(Allocation::OnDemand)
        .with_compiler(compiler);
    Runtime::try_new(options).expect("the engine starts")
}

const LONG: Duration = Duration::from_secs(60);
const MUCH: u64 = 4 << 30;

fn refused(line: &str, timeout: Duration, memory_bytes: u64) -> AdmissionCause {
    let runtime = runtime(line, "", timeout, memory_bytes);
    let guest = Guest::route(PLAN).build();
    let admitted = runtime.admit(&source(guest, PATIENT));
    admitted.expect_err("there is no code").cause
}

#[test]
fn what_a_process_of_its_own_has_compiled_serves() {
    let guest = Guest::route(PLAN).build();
    let component = wit_component::ComponentEncoder::default()
        .module(&guest)
        .and_then(|mut encoder| encoder.encode())
        .unwrap();
    let inside = Runtime::try_new(RuntimeOptions::default().with_allocation(Allocation::OnDemand));
    let code = inside.unwrap().precompile(&component).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("code");
    std::fs::write(&file, code).unwrap();

    // It takes what it is given as the program would, and prints what the program would.
    let line = "test $(wc -c) -gt 100 && cat \"$0\"";
    let runtime = runtime(line, &file.display().to_string(), LONG, MUCH);
    let plugin = runtime
        .admit(&source(guest, PATIENT))
        .unwrap_or_else(|error| panic!("{error}"));
    let plan = route(&plugin, &plain()).expect("it serves");
    assert!(plan.is_some(), "wherever it was compiled");
}

#[test]
fn a_compiler_that_takes_too_long_or_too_much_costs_its_plugin_only() {
    let begun = Instant::now();
    let cause = refused("exec sleep 600", Duration::from_millis(100), MUCH);
    assert!(
        matches!(&cause, AdmissionCause::Compiler(why) if why.contains("longer than")),
        "{cause}"
    );
    assert!(begun.elapsed() < LONG, "it is not waited for");

    // A shell that puts a line of 64 MiB together has to have it in memory.
    let much = "cat > /dev/null; x=$(head -c 67108864 /dev/zero | tr '\\0' x) && echo \"$x\"";
    let cause = refused(much, LONG, 32 << 20);
    assert!(
        matches!(&cause, AdmissionCause::Compile(why) if why.contains("the compiler ended")),
        "{cause}"
    );

    let cause = refused("cat > /dev/null; echo no room >&2; exit 3", LONG, MUCH);
    assert!(
        matches!(&cause, AdmissionCause::Compile(why) if why.contains("no room")),
        "it says why: {cause}"
    );
}

#[test]
fn what_is_no_code_of_this_engine_is_not_run() {
    for line in ["cat", "cat > /dev/null", "cat > /dev/null; cat /bin/sh"] {
        let cause = refused(line, LONG, MUCH);
        assert!(
            matches!(&cause, AdmissionCause::Compiler(why) if why.contains("can't use")),
            "{line}: {cause}"
        );
    }
}
