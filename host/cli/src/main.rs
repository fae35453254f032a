//! The binary `witgate`: the command line over the gateway.

mod check;
mod demo;
mod key;
mod log;
mod notify;
mod plugin;
mod replay;
mod run;
mod sidecars;

use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use parking_lot::Mutex;
use witgate_gateway::text::{escaped, is_unsafe};

use crate::log::LogFormat;

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
    /// Manage virtual keys, which callers present to the gateway.
    #[command(subcommand)]
    Key(key::Command),
}

/// The option for the configuration file.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(short, long, default_value = "witgate.toml", env = "WITGATE_CONFIG")]
    config: PathBuf,
}

/// The first error of writing to standard output.
static PRINT_ERROR: Mutex<Option<ErrorKind>> = Mutex::new(None);

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

/// Prints a line to standard output. A failure is remembered, and changes the exit code of commands whose purpose is their
/// output.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", printable(text)).and_then(|()| out.flush()) {
        let mut first = PRINT_ERROR.lock();
        first.get_or_insert(error.kind());
    }
}

/// Returns a number with its noun: `1 key`, `2 keys`.
fn count_of(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Returns the exit code of a command, or `FAILURE` if some of its output could not be printed.
fn unless_print_failed(code: ExitCode) -> ExitCode {
    match *PRINT_ERROR.lock() {
        None => code,
        // A reader that closes the pipe, as `head` does, has seen what it wanted.
        Some(ErrorKind::BrokenPipe) => ExitCode::FAILURE,
        Some(kind) => {
            print_error(&format!(
                "cannot write to standard output ({kind}): the output is incomplete"
            ));
            ExitCode::FAILURE
        }
    }
}

/// Returns the text of an error with its causes. A cause that its error already quotes is not repeated.
fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(cause.trim()) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Prints an error to standard error. Unlike log lines, errors of commands are never filtered.
fn print_error(text: &str) {
    log::print_error(&format!("witgate: {}", printable(text)));
}

/// Returns a text with control characters escaped, because it may come from a plugin or from a request.
fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_unsafe(c) && !matches!(c, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_steers_the_terminal_that_it_is_printed_on() {
        let told = "403: \u{1b}[2Jgone\r\u{7}\u{9b}1m\u{202e}\n\tnext: für";
        assert_eq!(
            printable(told),
            "403: \\u{1b}[2Jgone\\r\\u{7}\\u{9b}1m\\u{202e}\n\tnext: für",
            "control characters are written out, lines and tabs are kept"
        );
    }

    #[test]
    fn a_cause_that_is_part_of_the_text_is_not_said_twice() {
        let of = |texts: [&'static str; 2]| {
            let [text, cause] = texts;
            error_text(&anyhow::Error::msg(cause).context(text))
        };
        assert_eq!(of(["a can't be read", "denied"]), "a can't be read: denied");
        let whole = "a can't be read: denied; check its mode";
        assert_eq!(of([whole, "denied"]), whole, "it is in the text");
        assert_eq!(of(["b: a: denied", "a: denied"]), "b: a: denied");
    }
}
