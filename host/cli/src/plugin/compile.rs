//! Compiling one component in a process of its own.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use witgate_runtime::{Allocation, Compiler, Runtime, RuntimeOptions};

/// Components of this size and more are compiled in a process of their own: what a Rust plugin comes to is far below, what
/// an interpreter comes to far above.
const FROM_BYTES: usize = 2 << 20;

/// What that process may take.
const MEMORY_BYTES: u64 = 4 << 30;
const TIMEOUT: Duration = Duration::from_secs(120);

/// Returns the compiler of large plugins: this program as a child.
///
/// # Errors
///
/// The system can't name this program.
pub(crate) fn compiler() -> std::io::Result<Compiler> {
    Ok(Compiler {
        program: std::env::current_exe()?,
        arguments: ["plugin", "compile"].map(Into::into).to_vec(),
        from_bytes: FROM_BYTES,
        timeout: TIMEOUT,
        memory_bytes: MEMORY_BYTES,
    })
}

/// The child's side.
pub(super) fn compile() -> anyhow::Result<ExitCode> {
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .context("the component can't be read")?;
    let runtime = Runtime::try_new(RuntimeOptions {
        // A pool reserves more address space than the bound on it leaves.
        allocation: Allocation::OnDemand,
        ..RuntimeOptions::default()
    })?;
    let code = runtime.precompile(&component)?;
    std::io::stdout()
        .write_all(&code)
        .context("the code can't be written")?;
    Ok(ExitCode::SUCCESS)
}
