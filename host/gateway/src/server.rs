//! A gateway from start to stop: what `witgate run` does, for programs that run it in their own process.

mod app;
pub mod inspect;
mod listeners;
mod options;
mod parts;
pub(crate) mod reload;
mod tasks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pingora_timeout::fast_timeout::set_fast_timeout_to_tokio_threshold;
use tokio::task::JoinHandle;
use witgate_handover::{self as handover, Books, Predecessor};
use witgate_runtime::Policies;

use crate::admin::Admin;
use crate::clock::now;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::journal::{self, Found, Patience};
use crate::listen::{Drained, Workers};
use crate::server::listeners::{Listeners, Origin};
use crate::server::options::ClientWorkers;
use crate::server::reload::Reloader;
use crate::server::tasks::{Stop, Succession};

pub use options::Options;
pub use parts::{open_policies, runtime_options};

/// A running gateway. Dropping it stops it at once; [`Server::drain`] lets exchanges finish.
pub struct Server {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stop: Stop,
    tasks: Vec<JoinHandle<()>>,
    clients: JoinHandle<Drained>,
    succession: Option<Succession>,
}

// === impl Server ===

impl Server {
    /// Starts a gateway on the current tokio runtime: compiles the plugins, binds the listeners, serves.
    ///
    /// # Errors
    ///
    /// Returns an error if an address, a key file, an upstream's credential or the plugin directory is not available.
    pub async fn start(config: Config, options: Options) -> anyhow::Result<Self> {
        Self::open(config, Origin::Fresh, options).await
    }

    /// Starts a gateway that takes over from the one that listens on the configuration's upgrade socket: its listening
    /// sockets, its ledger, and the results of its running exchanges. If no gateway listens there, this is
    /// [`Server::start`].
    ///
    /// # Errors
    ///
    /// Returns an error like [`Server::start`], or if the configuration has no upgrade socket, or if the running gateway
    /// refuses. The running gateway then goes on.
    pub async fn take_over(config: Config, options: Options) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.upgrade.is_some(),
            "{}: an upgrade needs an upgrade socket; set [upgrade] socket = \"…\", and restart the running gateway with it",
            config.path.display()
        );
        Self::open(config, Origin::Upgrade, options).await
    }

    /// Opens everything that may fail, then the listeners, and then spawns the tasks, the clients' listener last.
    async fn open(config: Config, origin: Origin, options: Options) -> anyhow::Result<Self> {
        // Timeouts of a second and more are the runtime's. The proxy's own timers have a thread that wakes up a hundred times a
        // second from the first of them on, whether or not there is any left.
        set_fast_timeout_to_tokio_threshold(Some(Duration::ZERO));
        config.warn();
        tracing::info!("{}", config.limits.memory);
        let config = Arc::new(config);
        let (gateway, prints) = parts::open(&config, options.compiler, options.resolver).await?;
        let patience = match origin {
            Origin::Fresh => Patience::Wait,
            Origin::Upgrade => Patience::None,
        };
        let found = journal::recover(&gateway, patience).await?;
        let books: Arc<dyn Books> = Arc::<Gateway>::clone(&gateway);
        let spools = recover_spools(&config, &books).await?;
        let workers = match options.workers {
            ClientWorkers::CurrentRuntime => None,
            ClientWorkers::Dedicated => Some(Workers::start(config.listen.threads)?),
        };
        // Nothing after this may fail: the gateway that ran before has stopped serving.
        let (mut listeners, predecessor) = Listeners::open(&config, origin, &gateway).await?;

        let stop = Stop::default();
        match (found, &predecessor) {
            (Found::InUse, Some(_)) => {
                journal::begin_after_takeover(&gateway, stop.clients.subscribe()).await;
            }
            (Found::InUse, None) => anyhow::bail!(
                "another process keeps the ledger's journal in the [state] directory and does not hand over: stop it"
            ),
            (Found::Open, Some(_)) => {
                let gateway = Arc::clone(&gateway);
                tokio::task::spawn_blocking(move || gateway.journal.renew()).await?;
            }
            (Found::Open, None) => {}
        }
        // Now that the journal is open, it has their names.
        if let Err(error) = gateway.batches.catch_up(&gateway.ledger, now()).await {
            anyhow::ensure!(predecessor.is_some(), error);
            tracing::error!(%error, "open batches can't be read from the state database; they are looked for again");
        }
        if predecessor.is_some() {
            // The gateway before may have changed limits after this one had read them.
            let live = Arc::clone(&gateway.budgets.live);
            tokio::task::spawn_blocking(move || live.refresh()).await??;
        }
        let reloader = Arc::new(Reloader::new(Arc::clone(&gateway), prints));
        let mut tasks = stop.spawn_background(&gateway, &reloader);
        let following = predecessor.as_ref().map(Predecessor::following);
        let stopped = stop.clients.subscribe();
        tasks.push(tokio::spawn(handover::drain_predecessors(
            predecessor,
            spools,
            books,
            stopped,
        )));
        let (address, admin) = (listeners.address, listeners.admin_address);
        let succession = stop.spawn_handover(&mut listeners, following, &gateway);
        let pages = Admin::new(
            Arc::clone(&gateway),
            Arc::clone(&reloader),
            stop.clients.subscribe(),
            options.dropped_log_lines,
        );
        tasks.extend(stop.spawn_admin(&mut listeners, pages, &gateway));
        let clients = stop.spawn_clients(listeners, workers, &gateway);
        Ok(Self {
            address,
            admin,
            gateway,
            reloader,
            stop,
            tasks,
            clients,
            succession,
        })
    }

    /// Returns the address of the clients' listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the admin listener, or `None` if there is none.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Reloads the configuration, keys, prices, credentials and plugins, as SIGHUP does, and reopens the receipts files.
    /// If the reload fails, it logs the problems, and everything that was in use stays in use.
    ///
    /// # Errors
    ///
    /// Returns every problem.
    pub async fn reload(&self) -> Result<(), String> {
        if let Err(error) = self.gateway.audit.reopen() {
            tracing::error!(%error, "a receipts file can't be reopened");
        }
        Arc::clone(&self.reloader).reload_all().await
    }

    /// Completes when another process has taken over and serves, so that this one can be drained. Never completes if no
    /// process can take over.
    pub async fn superseded(&self) {
        match &self.succession {
            Some(succession) => succession.superseded().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until every receipt so far has been written.
    pub async fn flush(&self) {
        let gateway = Arc::clone(&self.gateway);
        // A panic of the audit has been logged by the task itself.
        let _ = tokio::task::spawn_blocking(move || gateway.audit.flush()).await;
    }

    /// Returns the plugin directory, for callers that wait for a change to take effect.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.gateway.policies
    }

    /// Stops: readiness fails and the listener closes at once, running exchanges finish within the drain timeout, receipts
    /// are flushed, and a process that has taken over gets all of them.
    pub async fn drain(self) -> Drained {
        // The listener may have ended already.
        let _ = self.stop.clients.send(true);
        let drained = self.clients.await.unwrap_or(Drained { cut: 0 });
        let _ = self.stop.admin.send(true);
        for task in self.tasks {
            // A panic has been logged by the task itself.
            let _ = task.await;
        }
        let gateway = self.gateway;
        let closing = move || {
            gateway.audit.shutdown();
            gateway.usage.catch_up();
            gateway.journal.close();
        };
        let _ = tokio::task::spawn_blocking(closing).await;
        if let Some(succession) = self.succession {
            succession.finish().await;
        }
        drained
    }
}

/// Recovers the spools that earlier processes left, and returns those of processes that still live.
async fn recover_spools(config: &Config, books: &Arc<dyn Books>) -> anyhow::Result<Vec<PathBuf>> {
    let (socket, books) = (config.upgrade.clone(), Arc::clone(books));
    let recover = move || handover::recover_spools(socket.as_deref(), &books);
    Ok(tokio::task::spawn_blocking(recover).await?)
}
