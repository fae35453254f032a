//! `witgate run`: the gateway until a signal stops it.

use std::process::ExitCode;

use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};
use witgate_gateway::config::Config;
use witgate_gateway::{Options, Server};

use super::plugin::compiler;
use super::{log, notify};
use crate::config_arg::ConfigArg;

/// Arguments of `witgate run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,

    /// Take over from the gateway that listens on the configured upgrade socket, without refusing a connection; streams in
    /// progress finish in the old process. If no gateway listens there, start as usual.
    #[arg(long)]
    upgrade: bool,
}

/// The signals that control a running gateway.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
}

/// Runs the gateway until a signal stops it.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    runtime()?.block_on(async {
        let signals = Signals::listen()?;
        let running = if args.upgrade {
            Server::take_over(config, options()).await?
        } else {
            Server::start(config, options()).await?
        };
        notify::ready();
        let admin = running.admin().map(tracing::field::display);
        tracing::info!(address = %running.address(), admin, "serving");
        signals.until_stopped(running).await
    })
}

/// Returns the options that this program passes to the gateway.
pub(super) fn options() -> Options {
    let options = Options::default()
        .dropped_log_lines(log::dropped)
        .dedicated_workers();
    match compiler() {
        Ok(compiler) => options.compiler(compiler),
        Err(error) => {
            tracing::warn!(%error, "cannot determine the path of this program: large plugins are compiled in this process");
            options
        }
    }
}

/// Builds the tokio runtime of all tasks that serve no client, which is little work.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("witgate-tasks")
        .enable_all()
        .build()
}

// === impl Signals ===

impl Signals {
    /// Installs the signal handlers; by default most of these signals end the process. Must be called before the gateway
    /// reports that it serves.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Handles signals until the gateway has stopped: SIGHUP reloads, SIGUSR2 starts a process that takes over, SIGTERM and
    /// SIGINT drain, and a second one of those stops immediately. Also drains when another process has taken over.
    pub(super) async fn until_stopped(mut self, running: Server) -> anyhow::Result<ExitCode> {
        loop {
            tokio::select! {
                () = running.superseded() => break,
                _ = self.upgrade.recv() => start_successor(),
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => {
                    // A failure is logged by the server, which keeps the configuration in use.
                    let _ = running.reload().await;
                }
            }
        }

        tracing::info!("stopping: draining connections, accepting no new ones");
        let drained = tokio::select! {
            drained = running.drain() => drained,
            _ = self.terminate.recv() => return Ok(ExitCode::FAILURE),
            _ = self.interrupt.recv() => return Ok(ExitCode::FAILURE),
        };
        if drained.cut > 0 {
            tracing::warn!(
                connections = drained.cut,
                "closed connections that were still open at the end of the drain timeout"
            );
        }
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Starts the program at this program's path again, with the same arguments, to take over.
fn start_successor() {
    let mut arguments = std::env::args_os();
    let Some(program) = arguments.next() else {
        tracing::error!(
            "cannot determine the path of this program: start the new process yourself with --upgrade"
        );
        return;
    };
    let mut command = Command::new(&program);
    command.args(arguments.filter(|argument| argument != "--upgrade"));
    match command.arg("--upgrade").spawn() {
        Ok(mut child) => {
            tracing::info!(pid = child.id(), "started a new process to take over");
            tokio::spawn(async move {
                // On success the child outlives this process.
                match child.wait().await {
                    Ok(status) => {
                        tracing::error!(%status, "the new process ended without taking over; this process continues");
                    }
                    Err(error) => tracing::error!(%error, "lost track of the new process"),
                }
            });
        }
        Err(error) => {
            tracing::error!(program = %program.display(), %error, "cannot start a new process to take over");
        }
    }
}
