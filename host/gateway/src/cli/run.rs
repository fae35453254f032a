//! `witgate run`.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::ConfigArg;
use crate::config::Config;
use crate::running::Running;

/// Arguments of `witgate run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs until a signal says to stop.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let config = Config::read(&args.config.config)?;
    workers(&config)?.block_on(async {
        let running = Running::start(config).await?;
        tracing::info!(address = %running.address(), admin = ?running.admin(), "serving");
        until_stopped(running).await
    })
}

/// The tokio runtime that a configuration asks for.
pub(super) fn workers(config: &Config) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.listen.threads.get())
        .thread_name("witgate-worker")
        .enable_all()
        .build()
}

/// Follows signals: reloads on SIGHUP, drains on SIGTERM and SIGINT, ends at once on the second of them.
pub(super) async fn until_stopped(running: Running) -> anyhow::Result<ExitCode> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                // A failure has been logged, and what was in use stays in use.
                let _ = running.reload().await;
            }
        }
    }

    tracing::info!("stopping: no new connections, running exchanges finish");
    let drained = tokio::select! {
        drained = running.drain() => drained,
        _ = terminate.recv() => return Ok(ExitCode::FAILURE),
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
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
