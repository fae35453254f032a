//! Compiling one component in a process of its own.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::Context;
use witgate_runtime::{Allocation, Compiler, Runtime, RuntimeOptions};

/// This program, where it is the one that this module's command belongs to.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Notes that the process is `witgate` itself, which can be asked to compile.
pub(in crate::cli) fn is_witgate() {
    if let Ok(program) = std::env::current_exe() {
        // It is noted once, at the start.
        let _ = PROGRAM.set(program);
    }
}

/// How large plugins are compiled: by this program as a child, or in this process where it is another program that embeds
/// the gateway.
pub(crate) fn compiler() -> Option<Compiler> {
    let compiler = Compiler::new(PROGRAM.get()?);
    Some(compiler.with_arguments(["plugin", "compile"].map(Into::into).to_vec()))
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
