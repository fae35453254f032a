//! Compilation of a component in a child process.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use witgate_runtime::{Allocation, Compiler, Runtime, RuntimeOptions};

/// Minimum size in bytes of a component that is compiled in a child process. Rust plugins are far smaller, interpreters far
/// larger.
const FROM_BYTES: usize = 2 << 20;

/// Memory limit of the child process in bytes.
const MEMORY_BYTES: u64 = 4 << 30;

/// Time limit of the child process.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Returns the compiler for large plugins, which runs this program as a child process.
///
/// # Errors
///
/// Returns an error if the path of this program is unknown.
pub(crate) fn compiler() -> std::io::Result<Compiler> {
    Ok(Compiler {
        program: std::env::current_exe()?,
        arguments: ["plugin", "compile"].map(Into::into).to_vec(),
        from_bytes: FROM_BYTES,
        timeout: TIMEOUT,
        memory_bytes: MEMORY_BYTES,
    })
}

/// Compiles in the child process.
pub(super) fn compile() -> anyhow::Result<ExitCode> {
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .context("cannot read the component")?;
    let runtime = Runtime::try_new(RuntimeOptions {
        // A pool would reserve more address space than the memory limit allows.
        allocation: Allocation::OnDemand,
        ..RuntimeOptions::default()
    })?;
    let code = runtime.precompile(&component)?;
    std::io::stdout()
        .write_all(&code)
        .context("cannot write the code")?;
    Ok(ExitCode::SUCCESS)
}
