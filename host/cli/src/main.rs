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

use crate::log::LogForm;

/// Requests allocate a lot and briefly; this allocator takes less of their time than the system's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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

/// The configuration file of a command.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file.
    #[arg(short, long, default_value = "witgate.toml", env = "WITGATE_CONFIG")]
    config: PathBuf,
}

/// Why standard output has not taken everything that a command printed.
static UNPRINTED: Mutex<Option<ErrorKind>> = Mutex::new(None);

/// Runs the command that the process was started with.
fn main() -> ExitCode {
    let cli = Cli::parse();
    let _last_words = match log::start(cli.log) {
        Ok(last_words) => last_words,
        Err(error) => {
            complain(&format!("the log can't be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Check(args) => check::check(&args).map(unless_unprinted),
        Command::Plugin(command) => plugin::plugin(&command).map(unless_unprinted),
        Command::Replay(args) => replay::replay(&args).map(unless_unprinted),
        Command::Key(command) => key::key(command).map(unless_unprinted),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&told(&error));
            ExitCode::FAILURE
        }
    }
}

/// Says something to whoever typed the command. A standard output that can't be written is noted, and shows in the exit
/// code of commands whose output is what they are for.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", printable(text)).and_then(|()| out.flush()) {
        let mut unprinted = UNPRINTED.lock();
        unprinted.get_or_insert(error.kind());
    }
}

/// A number of things, in words: `1 key`, `2 keys`.
fn counted(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// The exit code of a command, or that of a failure if not all of its output was printed.
fn unless_unprinted(code: ExitCode) -> ExitCode {
    match *UNPRINTED.lock() {
        None => code,
        // A reader that has left, as `head` does, has seen what it wanted.
        Some(ErrorKind::BrokenPipe) => ExitCode::FAILURE,
        Some(kind) => {
            complain(&format!(
                "standard output can't be written ({kind}): not everything was printed"
            ));
            ExitCode::FAILURE
        }
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

/// Says what went wrong to whoever typed the command. The log may be filtered; the reason for a failure may not.
fn complain(text: &str) {
    log::say(&format!("witgate: {}", printable(text)));
}

/// The text without characters that could steer a terminal: it may come from a plugin or from a request.
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
            told(&anyhow::Error::msg(cause).context(text))
        };
        assert_eq!(of(["a can't be read", "denied"]), "a can't be read: denied");
        let whole = "a can't be read: denied; check its mode";
        assert_eq!(of([whole, "denied"]), whole, "it is in the text");
        assert_eq!(of(["b: a: denied", "a: denied"]), "b: a: denied");
    }
}
