//! Compiling one component in a process of its own.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use witgate_runtime::{Allocation, Compiler, Runtime, RuntimeOptions};

/// Returns the compiler of large plugins: this program as a child.
///
/// # Errors
///
/// The system can't name this program.
pub(crate) fn compiler() -> std::io::Result<Compiler> {
    let compiler = Compiler::new(std::env::current_exe()?);
    Ok(compiler.with_arguments(["plugin", "compile"].map(Into::into).to_vec()))
}

/// The child's side.
pub(super) fn compile() -> anyhow::Result<ExitCode> {
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .context("the component can't be read")?;
    // A pool would reserve more address space than the limit on it leaves.
    let runtime =
        Runtime::try_new(RuntimeOptions::default().with_allocation(Allocation::OnDemand))?;
    let code = runtime.precompile(&component)?;
    std::io::stdout()
        .write_all(&code)
        .context("the code can't be written")?;
    Ok(ExitCode::SUCCESS)
}
