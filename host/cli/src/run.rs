//! `witgate run`.

use std::process::ExitCode;

use tokio::process::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::plugin::compiler;
use super::{ConfigArg, log, notify};
use witgate_gateway::config::Config;
use witgate_gateway::{Options, Server};

/// Arguments of `witgate run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,

    /// Take over from the gateway that listens on the upgrade socket of the configuration: no connection is refused, and
    /// running streams finish in the old process. Where none listens, start as usual.
    #[arg(long)]
    upgrade: bool,
}

/// What an operator says to a running gateway.
pub(super) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
}

/// Runs until a signal says to stop.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    workers(&config)?.block_on(async {
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

/// Returns the parts that this program gives its gateway.
pub(super) fn options() -> Options {
    let options = Options::default().dropped_log_lines(log::dropped);
    match compiler() {
        Ok(compiler) => options.compiler(compiler),
        Err(error) => {
            tracing::warn!(%error, "the path of this program is unknown; large plugins are compiled in this process");
            options
        }
    }
}

/// The tokio runtime that a configuration asks for.
pub(super) fn workers(config: &Config) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.listen.threads.get())
        .thread_name("witgate-worker")
        .enable_all()
        .build()
}

// === impl Signals ===

impl Signals {
    /// Takes the signals from the system, whose own answer to most of them is to end the process. To be called before
    /// anybody is told that the gateway serves.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Follows them: reloads on SIGHUP, starts a process that takes over on SIGUSR2, drains on SIGTERM and SIGINT, ends
    /// at once on the second of them. Drains too when another process has taken over.
    pub(super) async fn until_stopped(mut self, running: Server) -> anyhow::Result<ExitCode> {
        loop {
            tokio::select! {
                () = running.superseded() => break,
                _ = self.upgrade.recv() => start_successor(),
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => {
                    // A failure has been logged, and what was in use stays in use.
                    let _ = running.reload().await;
                }
            }
        }

        tracing::info!("stopping: no new connections, running exchanges finish");
        let drained = tokio::select! {
            drained = running.drain() => drained,
            _ = self.terminate.recv() => return Ok(ExitCode::FAILURE),
            _ = self.interrupt.recv() => return Ok(ExitCode::FAILURE),
        };
        if drained.cut > 0 {
            tracing::warn!(
                connections = drained.cut,
                "connections were cut at the end of the drain timeout"
            );
        }
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Starts the program that is now at this one's path, with the same arguments, to take over.
fn start_successor() {
    let mut arguments = std::env::args_os();
    let Some(program) = arguments.next() else {
        tracing::error!(
            "the program's own path is not known: start the new process yourself, with --upgrade"
        );
        return;
    };
    let mut command = Command::new(&program);
    command.args(arguments.filter(|argument| argument != "--upgrade"));
    match command.arg("--upgrade").spawn() {
        Ok(mut child) => {
            tracing::info!(pid = child.id(), "a new process was started to take over");
            tokio::spawn(async move {
                // It outlives this process when all goes well.
                match child.wait().await {
                    Ok(status) => {
                        tracing::error!(%status, "the new process ended; this one goes on");
                    }
                    Err(error) => tracing::error!(%error, "the new process is not seen any more"),
                }
            });
        }
        Err(error) => {
            tracing::error!(program = %program.display(), %error, "the new process can't be started");
        }
    }
}
