//! The command line.

mod check;
mod demo;
mod key;
mod plugin;
mod replay;
mod run;

pub(crate) use plugin::compiler;

use std::borrow::Cow;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

/// A gateway for Anthropic Messages traffic whose policies are WebAssembly plugins.
///
/// Clients keep their SDK and point its base URL here. Plugins in the policy directory read who is asking, plan the
/// route, charge the budget and shape the receipt; a changed plugin or sidecar is live without a restart.
///
/// Start with `witgate demo`: it needs no account and no configuration.
#[derive(Debug, Parser)]
#[command(name = "witgate", version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Form of the log lines on standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogForm::Text)]
    log: LogForm,
}

const AFTER: &str = "\
Log levels are set by WITGATE_LOG, for example WITGATE_LOG=debug or WITGATE_LOG=info,witgate=trace.
Signals: SIGTERM and SIGINT drain and stop (twice: at once); SIGHUP reads configuration, keys, prices and plugins
again and reopens the receipts file; SIGUSR2 starts the program anew, which takes over without downtime ([upgrade]).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Run(run::Args),
    /// Run the gateway in front of a stand-in upstream, with a key of its own: nothing to set up.
    Demo(demo::Args),
    /// Check a configuration and its plugins, say everything that is wrong, and exit with 1 if anything is.
    Check(check::Args),
    /// Plugins, beside running them.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Send recorded requests to a gateway, or to an upstream, and print how they are answered.
    Replay(replay::Args),
    /// Virtual keys: what callers of the gateway present.
    #[command(subcommand)]
    Key(key::Command),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The configuration file of a command.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(short, long, default_value = "witgate.toml", env = "WITGATE_CONFIG")]
    config: PathBuf,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    init_log(cli.log);
    plugin::is_witgate();
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Check(args) => check::check(&args),
        Command::Plugin(command) => plugin::plugin(&command),
        Command::Replay(args) => replay::replay(&args),
        Command::Key(command) => key::key(command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn init_log(form: LogForm) {
    // The HTTP layer logs each broken connection as an error; here that is everyday life, and on the receipt.
    let filter = EnvFilter::try_from_env("WITGATE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,pingora_core=off,pingora_pool=off"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match form {
        LogForm::Text => log
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init(),
        LogForm::Json => log.json().init(),
    }
}

/// A number of things, in words: `1 key`, `2 keys`.
fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Says something to whoever typed the command.
#[allow(
    clippy::print_stdout,
    reason = "the output of a command is what it is for"
)]
fn say(text: &str) {
    println!("{}", printable(text));
}

/// Says what went wrong to whoever typed the command.
#[allow(
    clippy::print_stderr,
    reason = "the log may be filtered; the reason for a failure may not"
)]
fn complain(text: &str) {
    eprintln!("witgate: {}", printable(text));
}

/// The text without characters that could steer a terminal: it may come from a plugin or from a request.
fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn no_text_steers_the_terminal_that_it_is_printed_on() {
        let told = "403: \u{1b}[2Jgone\r\u{7}\u{9b}1m\n\tnext: für";
        assert_eq!(
            printable(told),
            "403: \\u{1b}[2Jgone\\r\\u{7}\\u{9b}1m\n\tnext: für",
            "control characters are written out, lines and tabs are kept"
        );
    }
}
