//! `witgate plugin`: tools for authors and operators of plugins.

mod check;
mod code;
mod compile;
mod diff;
mod new;
mod requests;
mod run;
mod source;
mod wit;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use compile::compiler;

/// The commands of `witgate plugin`.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a crate for a plugin that builds and passes its own test.
    New(new::Args),
    /// Show what a plugin exports, imports and needs, how long its admission takes, and whether it would be admitted.
    Check(check::Args),
    /// Pass recorded requests through plugins as the gateway would, and print their decisions and times.
    Run(run::Args),
    /// Show the recorded requests on which two versions of a plugin decide differently.
    Diff(diff::Args),
    /// Write the WIT files of the contract, for plugins in languages other than Rust.
    Wit(wit::Args),
    /// Compile a component from standard input to standard output. The gateway runs this for large plugins, so that their
    /// compilation has bounded memory and time.
    #[command(hide = true)]
    Compile,
}

/// Runs a command of `witgate plugin`.
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
