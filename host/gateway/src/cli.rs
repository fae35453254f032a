//! The command line.

mod check;
mod demo;
mod key;
mod plugin;
mod replay;
mod run;
mod sidecars;

pub(crate) use plugin::compiler;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
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
            complain(&told(&error));
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

/// An error with its causes. Some texts end in that of their cause, which is not said twice.
fn told(error: &anyhow::Error) -> String {
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

/// Why a file that was named on the command line is of no use.
pub(crate) fn unreadable(file: &Path, error: &std::io::Error) -> anyhow::Error {
    let file = file.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => anyhow::anyhow!("there is no file {file}"),
        std::io::ErrorKind::IsADirectory => anyhow::anyhow!("{file} is a directory, not a file"),
        _ => anyhow::anyhow!("{file} can't be read: {error}"),
    }
}

/// Says something to whoever typed the command.
#[allow(
    clippy::print_stdout,
    reason = "the output of a command is what it is for"
)]
fn say(text: &str) {
    println!("{text}");
}

/// Says what went wrong to whoever typed the command.
#[allow(
    clippy::print_stderr,
    reason = "the log may be filtered; the reason for a failure may not"
)]
fn complain(text: &str) {
    eprintln!("witgate: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_is_part_of_the_text_is_not_said_twice() {
        let of = |texts: [&'static str; 2]| {
            let [text, cause] = texts;
            told(&anyhow::Error::msg(cause).context(text))
        };
        assert_eq!(of(["a can't be read", "denied"]), "a can't be read: denied");
        let whole = "a can't be read: denied; check its mode";
        assert_eq!(of([whole, "denied"]), whole, "it is in the text");
        assert_eq!(of(["b: a: denied", "a: denied"]), "b: a: denied");
    }

    #[test]
    fn a_file_that_is_not_there_is_said_not_to_be_there() {
        let missing = Path::new("/nowhere/at-all.wasm");
        let error = std::fs::metadata(missing).unwrap_err();
        let told = unreadable(missing, &error).to_string();
        assert_eq!(told, "there is no file /nowhere/at-all.wasm");
    }
}
