//! A gateway from start to stop: what `witgate run` does, for whoever wants it in their own process.

mod app;
pub mod inspect;
mod options;
mod parts;
pub(crate) mod reload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use witgate_handover::{self as handover, Books, Handover, Predecessor, Sockets};
use witgate_runtime::Policies;

use crate::admin::Admin;
use crate::batches::Settler;
use crate::clock::now;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::listen::{Door, Drained, Full, Listener, bind};
use crate::receipts::Receipts;
use crate::server::reload::{Prints, Reloader};
use crate::upstream::upkeep;

pub use options::Options;
pub use parts::{open_policies, runtime_options};

use parts::open_state;

/// Connections that the admin listener has at a time; the oldest gives way to one more.
const ADMIN_CONNECTIONS: usize = 64;

/// A running gateway. Dropping it stops it at once; [`Server::drain`] lets exchanges finish.
pub struct Server {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stop: Arc<watch::Sender<bool>>,
    /// The admin pages stay up while clients drain: that is when operators look.
    admin_stop: Arc<watch::Sender<bool>>,
    tasks: Vec<JoinHandle<()>>,
    clients: JoinHandle<Drained>,
    succession: Option<Succession>,
}

/// The handover of the gateway to a new process.
struct Succession {
    handover: JoinHandle<()>,
    superseded: watch::Receiver<bool>,
    /// Says that all receipts have been written.
    finished: watch::Sender<bool>,
}

/// How a gateway comes by its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It opens them.
    Fresh,
    /// It gets them from the process that runs, if there is one.
    Upgrade,
}

/// What a gateway listens on.
struct Ears {
    clients: Arc<TcpListener>,
    address: SocketAddr,
    admin: Option<Arc<TcpListener>>,
    admin_address: Option<SocketAddr>,
    upgrade: Option<(PathBuf, UnixListener)>,
}

// === impl Server ===

impl Server {
    /// Starts a gateway on the current tokio runtime: compiles the plugins, binds the listeners, serves.
    ///
    /// # Errors
    ///
    /// An address, a key file, an upstream's credential or the plugin directory can't be had.
    pub async fn start(config: Config, options: Options) -> anyhow::Result<Self> {
        Self::open(config, Origin::Fresh, options).await
    }

    /// Starts a gateway that takes over from the one that listens on the configuration's upgrade socket: its listening
    /// sockets, its ledger, and the results of its running exchanges. Without a gateway there, this is
    /// [`Server::start`].
    ///
    /// # Errors
    ///
    /// As [`Server::start`]; the configuration has no upgrade socket, or the running gateway refuses, and goes on.
    pub async fn take_over(config: Config, options: Options) -> anyhow::Result<Self> {
        anyhow::ensure!(
            config.upgrade.is_some(),
            "{}: an upgrade needs a socket to ask on: [upgrade] socket = \"…\", in the running gateway's configuration too",
            config.path.display()
        );
        Self::open(config, Origin::Upgrade, options).await
    }

    async fn open(config: Config, origin: Origin, options: Options) -> anyhow::Result<Self> {
        let Options {
            compiler,
            resolver,
            dropped_log_lines,
        } = options;
        config.warn();
        tracing::info!("{}", config.limits.memory);
        let config = Arc::new(config);
        let prepared = Arc::clone(&config);
        // Compiling plugins takes the processor for a while; the runtime's workers are not for that.
        let (prints, snapshot, policies, audit, state) = tokio::task::spawn_blocking(move || {
            let prints = Prints::of(&prepared);
            let snapshot = Snapshot::prepare(Arc::clone(&prepared), &resolver, None)
                .map_err(|problems| anyhow::anyhow!(problems))?;
            let policies = open_policies(&prepared, compiler)?;
            let audit = Receipts::open(&prepared.receipts)?;
            let state = open_state(&prepared)?;
            anyhow::Ok((prints, snapshot, policies, audit, state))
        })
        .await??;

        let gateway = Arc::new(Gateway::new(snapshot, policies, audit, state));
        gateway.batches.catch_up(&gateway.ledger, now()).await?;
        let books: Arc<dyn Books> = Arc::<Gateway>::clone(&gateway);
        let spools = recover_spools(&config, &books).await?;
        // Nothing that can fail comes after this: the gateway before this one has let go.
        let (ears, predecessor) = Ears::open(&config, origin, &gateway).await?;

        let (stop, stopped) = watch::channel(false);
        let (admin_stop, admin_stopped) = watch::channel(false);
        let (stop, admin_stop) = (Arc::new(stop), Arc::new(admin_stop));
        let reloader = Arc::new(Reloader::new(Arc::clone(&gateway), prints));
        let mut tasks = vec![
            tokio::spawn(Arc::clone(&reloader).watch(stopped.clone())),
            tokio::spawn(upkeep::keep(
                {
                    let gateway = Arc::clone(&gateway);
                    move || gateway.snapshot().upstreams.clone()
                },
                stopped.clone(),
            )),
        ];

        // It outlives the clients: what the last one has read is settled.
        tasks.extend(
            Settler::of(Arc::clone(&gateway))
                .map(|settler| tokio::spawn(settler.run(admin_stopped.clone()))),
        );

        let following = predecessor.as_ref().map(Predecessor::following);
        let earlier =
            handover::drain_predecessors(predecessor, spools, Arc::clone(&books), stopped.clone());
        tasks.push(tokio::spawn(earlier));
        let succession = ears.upgrade.map(|(path, listener)| {
            let (superseded, seen) = watch::channel(false);
            let (finished, finished_seen) = watch::channel(false);
            let superseded_gateway = Arc::clone(&gateway);
            let handover = Handover {
                books,
                listener,
                supersede: Box::new(move || superseded_gateway.supersede()),
                path,
                sockets: Sockets {
                    clients: Arc::downgrade(&ears.clients),
                    admin: ears.admin.as_ref().map(Arc::downgrade),
                },
                following: following.unwrap_or_else(|| Arc::new(AtomicBool::new(false))),
                stop: Arc::downgrade(&stop),
                admin_stop: Arc::downgrade(&admin_stop),
                superseded,
            };
            Succession {
                handover: tokio::spawn(handover.run(stopped.clone(), finished_seen)),
                superseded: seen,
                finished,
            }
        });

        if let Some(listener) = ears.admin {
            let app = Arc::new(Admin::new(
                Arc::clone(&gateway),
                Arc::clone(&reloader),
                stopped.clone(),
                dropped_log_lines,
            ));
            let door = Door {
                listener,
                app,
                connections: ADMIN_CONNECTIONS,
                full: Full::LeastBusy,
            };
            let drained = Arc::clone(&gateway);
            tasks.push(tokio::spawn(async move {
                door.serve(admin_stopped, async move { drained.admin_drain() })
                    .await;
            }));
        }

        let door = Door {
            listener: ears.clients,
            app: Arc::clone(&gateway),
            connections: config.limits.connections,
            full: Full::Newest,
        };
        let drained = Arc::clone(&gateway);
        let clients =
            tokio::spawn(door.serve(
                stopped,
                async move { drained.snapshot().config.drain_timeout },
            ));
        Ok(Self {
            address: ears.address,
            admin: ears.admin_address,
            gateway,
            reloader,
            stop,
            admin_stop,
            tasks,
            clients,
            succession,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators look, if anywhere.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Reads the configuration, keys, prices, credentials and plugins again, as SIGHUP does, and reopens the receipts
    /// file. What is wrong is logged, and what was in use before stays.
    ///
    /// # Errors
    ///
    /// Everything that was wrong.
    pub async fn reload(&self) -> Result<(), String> {
        if let Err(error) = self.gateway.audit.reopen() {
            tracing::error!(%error, "a receipts file can't be opened again");
        }
        Arc::clone(&self.reloader).reload_all().await
    }

    /// Ends when another process has taken over: it serves, and this one is to be drained. Never ends where none can.
    pub async fn superseded(&self) {
        if let Some(succession) = &self.succession
            && let Ok(_superseded) = succession
                .superseded
                .clone()
                .wait_for(|superseded| *superseded)
                .await
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Waits until every receipt so far is in its file.
    pub async fn flush(&self) {
        let gateway = Arc::clone(&self.gateway);
        // A panic of the audit has been logged by the task itself.
        let _ = tokio::task::spawn_blocking(move || gateway.audit.flush()).await;
    }

    /// The plugin directory, for those who want to wait for a change of it to be live.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.gateway.policies
    }

    /// Stops: readiness goes off and the listener closes at once, running exchanges finish within the drain timeout,
    /// receipts are flushed, and a process that has taken over knows all of them.
    pub async fn drain(self) -> Drained {
        // Nobody listens any more when all is over already.
        let _ = self.stop.send(true);
        let drained = self.clients.await.unwrap_or(Drained { cut: 0 });
        let _ = self.admin_stop.send(true);
        for task in self.tasks {
            // A task that panicked has been logged; there is nothing left for it to do.
            let _ = task.await;
        }
        let gateway = self.gateway;
        let _ = tokio::task::spawn_blocking(move || gateway.audit.shutdown()).await;
        if let Some(succession) = self.succession {
            let _ = succession.finished.send(true);
            let _ = succession.handover.await;
        }
        drained
    }
}

// === impl Ears ===

impl Ears {
    /// Gets hold of what the configuration listens on. A gateway that runs has let go of it when this is back.
    async fn open(
        config: &Config,
        origin: Origin,
        gateway: &Arc<Gateway>,
    ) -> anyhow::Result<(Self, Option<Predecessor>)> {
        let mut inheritance = match (&config.upgrade, origin) {
            (Some(path), Origin::Upgrade) => handover::ask(path).await?,
            _ => None,
        };
        let (mut clients, mut admin, mut door) = (None, None, None);
        let admin_address = config.admin.as_ref().map(|admin| admin.address);
        if let Some(inheritance) = &mut inheritance {
            clients = inheritance.clients(config.listen.address)?;
            if let Some(address) = admin_address {
                admin = inheritance.admin(address)?;
            }
            if let Some(path) = &config.upgrade {
                door = Some(inheritance.upgrade_socket(path).await?);
            }
        }
        let clients = match clients {
            Some(clients) => clients,
            None => bind(Listener::Clients, config.listen.address).await?,
        };
        let admin = match (admin, admin_address) {
            (Some(admin), _) => Some(admin),
            (None, Some(address)) => Some(bind(Listener::Admin, address).await?),
            (None, None) => None,
        };
        let upgrade = match (door, &config.upgrade) {
            (Some(door), Some(path)) => Some((path.clone(), door)),
            (None, Some(path)) => Some((path.clone(), handover::bind(path).await?)),
            (_, None) => None,
        };
        let admin_address = match &admin {
            Some(admin) => Some(admin.local_addr()?),
            None => None,
        };
        let ears = Self {
            address: clients.local_addr()?,
            clients: Arc::new(clients),
            admin_address,
            admin: admin.map(Arc::new),
            upgrade,
        };
        gateway.policies.watch()?;
        let predecessor = match inheritance {
            Some(inheritance) => Some(
                inheritance
                    .take_over(Arc::<Gateway>::clone(gateway))
                    .await?,
            ),
            None => None,
        };
        Ok((ears, predecessor))
    }
}

/// Recovers the spools that earlier processes left, and returns those of processes that still live.
async fn recover_spools(config: &Config, books: &Arc<dyn Books>) -> anyhow::Result<Vec<PathBuf>> {
    let base = config.receipts.file.as_ref().or(config.upgrade.as_ref());
    let Some(base) = base.cloned() else {
        return Ok(Vec::new());
    };
    let books = Arc::clone(books);
    Ok(tokio::task::spawn_blocking(move || handover::recover_spools(&base, &books)).await?)
}
