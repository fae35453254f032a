//! `witgate receipts`: single receipts, and the receipts files.

mod query;
mod verify;

use std::process::ExitCode;

/// Commands about receipts.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Find single receipts in the files, closed segments included. The last one is printed first, without its chain.
    Query(query::Query),
    /// Check that receipts are as they were written, and exit with 1 if one was changed, removed or moved.
    Verify(verify::Args),
}

/// Runs a command about receipts.
pub(super) fn receipts(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Query(query) => query.run(),
        Command::Verify(args) => verify::verify(args),
    }
}
