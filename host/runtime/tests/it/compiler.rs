//! Large plugins are compiled outside the process, within bounds, and whatever happens there costs that plugin only.

use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, granting, plain, route};
use std::sync::Arc;
use std::time::Duration;
use witgate_runtime::{
    AdmissionCause, Allocation, Compiler, Plugin, Runtime, RuntimeOptions, Source,
};

/// Admits a guest where this program compiles components from so many bytes on.
fn admitted(
    program: &str,
    arguments: &[&str],
    from_bytes: usize,
    timeout: Duration,
) -> Result<Arc<Plugin>, AdmissionCause> {
    let runtime = Runtime::try_new(RuntimeOptions {
        allocation: Allocation::OnDemand,
        compiler: Some(Compiler {
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            from_bytes,
            timeout,
            memory_bytes: 64 << 20,
        }),
        ..RuntimeOptions::default()
    })
    .unwrap_or_else(|error| panic!("{error}"));
    let source = Source::new("probe", Guest::route(PLAN).build()).with_sidecar(granting(PATIENT));
    runtime.admit(&source).map_err(|error| error.cause)
}

fn refused(program: &str, arguments: &[&str], timeout: Duration) -> String {
    match admitted(program, arguments, 0, timeout) {
        Ok(_) => panic!("it is not admitted"),
        Err(cause) => cause.to_string(),
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn what_is_small_is_compiled_in_the_process() {
    let plugin = admitted("/bin/false", &[], 1 << 20, LONG)
        .unwrap_or_else(|error| panic!("the program is not asked: {error}"));
    assert!(route(&plugin, &plain()).expect("it serves").is_some());
}

#[test]
fn a_compiler_that_takes_too_long_is_ended() {
    let text = refused("/bin/sleep", &["600"], Duration::from_millis(50));
    assert!(text.contains("took longer"), "{text}");
}

#[test]
fn a_compiler_that_wants_too_much_memory_does_not_get_it() {
    // It asks for a buffer of half a gibibyte; the bound is 64 MiB.
    let arguments = ["if=/dev/zero", "of=/dev/null", "bs=512M", "count=1"];
    let text = refused("/bin/dd", &arguments, LONG);
    assert!(text.contains("the compiler ended with"), "{text}");
    assert!(text.contains("memory"), "and says why: {text}");
}

#[test]
fn what_a_compiler_gives_is_not_trusted_blindly() {
    let text = refused("/bin/cat", &[], LONG);
    assert!(
        text.contains("something else than this program would"),
        "{text}"
    );
    let text = refused("/bin/true", &[], LONG);
    assert!(
        text.contains("something else than this program would"),
        "{text}"
    );
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let text = refused("/nowhere/compiler", &[], LONG);
    assert!(text.contains("/nowhere/compiler"), "{text}");
}
