//! `witgate plugin`: what authors and operators do with plugins beside running them.

mod check;
mod code;
mod compile;
mod diff;
mod new;
mod requests;
mod run;
mod wit;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use witgate_gateway::capture::unreadable;
use witgate_runtime::{SidecarText, Source};

pub(crate) use compile::compiler;

/// The commands of `witgate plugin`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a crate for a plugin: it builds, and passes its own test.
    New(new::Args),
    /// Say what a plugin exports, imports and needs, what admitting it costs, and whether it would be admitted.
    Check(check::Args),
    /// Send recorded requests through plugins as the gateway would, and print what they decide and how long it takes.
    Run(run::Args),
    /// Say which recorded requests two versions of a plugin decide differently on.
    Diff(diff::Args),
    /// Write the contract's files, for plugins in languages other than Rust.
    Wit(wit::Args),
    /// Compile a component from standard input to standard output. The gateway runs this for large plugins, so that the
    /// memory and time that it takes are bounded and gone afterwards.
    #[command(hide = true)]
    Compile,
}

/// Runs one of them.
pub(super) fn plugin(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(args) => new::new(args),
        Command::Check(args) => check::check(args),
        Command::Run(args) => run::run(args),
        Command::Diff(args) => diff::diff(args),
        Command::Wit(args) => wit::wit(args),
        Command::Compile => compile::compile(),
    }
}

/// A plugin's file with the sidecar beside it, or with another one in its place.
fn source(file: &Path, sidecar: Option<&Path>) -> anyhow::Result<Source> {
    std::fs::metadata(file).map_err(|error| unreadable(file, &error))?;
    let mut source = Source::read(file)?;
    if let Some(sidecar) = sidecar {
        let text = std::fs::read_to_string(sidecar).map_err(|error| unreadable(sidecar, &error))?;
        source.sidecar = Some(SidecarText::new(sidecar, text));
    }
    Ok(source)
}
