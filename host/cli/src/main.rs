//! The binary `witgate`: the command line over the gateway.

mod budget;
mod check;
mod config_arg;
mod demo;
mod key;
mod ledger;
mod log;
mod notify;
mod output;
mod plugin;
mod prices;
mod receipts;
mod replay;
mod run;
mod sidecars;
mod temporary;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::log::LogFormat;
use crate::output::{error_text, print_error, unless_print_failed};

/// The allocator: requests allocate often and briefly, which takes less time here than with the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A gateway for Anthropic Messages traffic whose policies are WebAssembly plugins.
///
/// Clients keep their SDK and set its base URL to the gateway. Plugins in the policy directory identify the caller, choose the
/// route, charge the budget and edit the receipt. Changed plugins and sidecars take effect without a restart.
///
/// Start with `witgate demo`, which needs neither an account nor a configuration.
#[derive(Debug, Parser)]
#[command(name = "witgate", version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Format of the log lines on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
}

const AFTER: &str = "\
WITGATE_LOG sets the log level, for example WITGATE_LOG=debug or WITGATE_LOG=info,witgate=trace.
Signals: SIGTERM and SIGINT drain and stop (a second one stops immediately); SIGHUP reloads configuration, keys, prices
and plugins and reopens the receipts file; SIGUSR2 starts a new process that takes over without downtime ([upgrade]).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Run(run::Args),
    /// Run the gateway with a stand-in upstream and a key of its own, without any setup.
    Demo(demo::Args),
    /// Check a configuration and its plugins, report every problem, and exit with 1 if there is one.
    Check(check::Args),
    /// Create, check and try plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Send recorded requests to a gateway or an upstream, and print the responses.
    Replay(replay::Args),
    /// Show what was used and spent, by tenant, user, model and more.
    Usage(usage::Args),
    /// Show and change the limits of a running gateway.
    #[command(subcommand)]
    Budget(budget::Command),
    /// Find single receipts, and check the receipts files.
    #[command(subcommand)]
    Receipts(receipts::Command),
    /// Compare what budgets have spent with receipts, and make it again from them.
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// Compare prices with what receipts say.
    #[command(subcommand)]
    Prices(prices::Command),
    /// Manage virtual keys, which callers present to the gateway, and operators' keys for limits.
    #[command(subcommand)]
    Key(key::Command),
}

/// Runs the command that the process was started with.
fn main() -> ExitCode {
    let cli = Cli::parse();
    let _flush = match log::start(cli.log) {
        Ok(flush) => flush,
        Err(error) => {
            print_error(&format!("cannot start the log: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Check(args) => check::check(&args).map(unless_print_failed),
        Command::Plugin(command) => plugin::plugin(&command).map(unless_print_failed),
        Command::Replay(args) => replay::replay(&args).map(unless_print_failed),
        Command::Usage(args) => usage::usage(&args).map(unless_print_failed),
        Command::Budget(command) => budget::budget(command).map(unless_print_failed),
        Command::Receipts(command) => receipts::receipts(&command).map(unless_print_failed),
        Command::Ledger(command) => ledger::ledger(&command),
        Command::Prices(command) => prices::prices(&command).map(unless_print_failed),
        Command::Key(command) => key::key(command).map(unless_print_failed),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            print_error(&error_text(&error));
            ExitCode::FAILURE
        }
    }
}
