//! `witgate receipts`: the receipts files.

mod verify;

use std::process::ExitCode;

/// Commands about receipts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check that receipts are as they were written, and exit with 1 if one was changed, removed or moved.
    Verify(verify::Args),
}

/// Runs a command about receipts.
pub(super) fn receipts(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(args) => verify::verify(args),
    }
}
