//! Compilation of a component in a child process.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context;
use witgate_runtime::{Allocation, Compiler, Runtime, RuntimeOptions};

/// Returns the compiler for large plugins, which runs this program as a child process.
///
/// # Errors
///
/// Returns an error if the path of this program is unknown.
pub(crate) fn compiler() -> std::io::Result<Compiler> {
    let compiler = Compiler::new(std::env::current_exe()?);
    Ok(compiler.with_arguments(["plugin", "compile"].map(Into::into).to_vec()))
}

/// Compiles in the child process.
pub(super) fn compile() -> anyhow::Result<ExitCode> {
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .context("cannot read the component")?;
    // A pool would reserve more address space than the limit on it leaves.
    let runtime =
        Runtime::try_new(RuntimeOptions::default().with_allocation(Allocation::OnDemand))?;
    let code = runtime.precompile(&component)?;
    std::io::stdout()
        .write_all(&code)
        .context("cannot write the code")?;
    Ok(ExitCode::SUCCESS)
}
