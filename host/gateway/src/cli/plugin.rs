//! `witgate plugin`: what authors and operators do with plugins beside running them.

mod compile;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use compile::compiler;
pub(super) use compile::is_witgate;

/// The commands of `witgate plugin`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Compile a component from standard input to standard output. The gateway runs this for large plugins, so that the
    /// memory and time that it takes are bounded and gone afterwards.
    #[command(hide = true)]
    Compile,
}

/// Runs one of them.
pub(super) fn plugin(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Compile => compile::compile(),
    }
}
