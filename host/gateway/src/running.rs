//! A gateway from start to stop: what `witgate run` does, for whoever wants it in their own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use witgate_audit::sink::{File, Rotation};
use witgate_audit::{Audit, Settings as AuditSettings, sink};
use witgate_runtime::{Policies, PoliciesOptions, Runtime, RuntimeOptions};

use crate::admin::Admin;
use crate::config::{Config, Receipts};
use crate::exchange::settle::Finished;
use crate::gateway::Gateway;
use crate::live::Live;
use crate::reload::Reloader;
use crate::render::Renderer;
use crate::serve::{Door, Drained, bind};

/// Connections that the admin listener takes at a time.
const ADMIN_CONNECTIONS: usize = 64;

/// A running gateway. Dropping it stops it at once; [`Running::drain`] lets exchanges finish.
pub struct Running {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stop: watch::Sender<bool>,
    /// The admin pages stay up while clients drain: that is when operators look.
    admin_stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    clients: JoinHandle<Drained>,
}

// === impl Running ===

impl Running {
    /// Starts a gateway on the current tokio runtime: compiles the plugins, binds the listeners, serves.
    ///
    /// # Errors
    ///
    /// What can't be had: an address, a key file, an upstream's credential, the plugin directory.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let config = Arc::new(config);
        let prepared = Arc::clone(&config);
        // Compiling plugins takes the processor for a while; the runtime's workers are not for that.
        let (live, policies, audit) = tokio::task::spawn_blocking(move || {
            let live = Live::prepare(Arc::clone(&prepared), None)
                .map_err(|problems| anyhow::anyhow!(problems))?;
            let policies = open_policies(&prepared)?;
            let audit = open_audit(&prepared.receipts)?;
            anyhow::Ok((live, policies, audit))
        })
        .await??;

        let listener = bind(config.listen.address).await?;
        let address = listener.local_addr()?;
        let gateway = Arc::new(Gateway::new(live, policies, audit));
        gateway.policies.watch()?;

        let (stop, stopped) = watch::channel(false);
        let (admin_stop, admin_stopped) = watch::channel(false);
        let reloader = Arc::new(Reloader::new(Arc::clone(&gateway)));
        let mut tasks = vec![tokio::spawn(Arc::clone(&reloader).watch(stopped.clone()))];

        let admin = match config.admin {
            Some(address) => {
                let listener = bind(address).await?;
                let address = listener.local_addr()?;
                let app = Arc::new(Admin::new(
                    Arc::clone(&gateway),
                    Arc::clone(&reloader),
                    stopped.clone(),
                ));
                let door = Door {
                    listener,
                    app,
                    connections: ADMIN_CONNECTIONS,
                };
                let stopped = admin_stopped.clone();
                tasks.push(tokio::spawn(async move {
                    door.serve(stopped, std::future::ready(Duration::ZERO))
                        .await;
                }));
                Some(address)
            }
            None => None,
        };

        let door = Door {
            listener,
            app: Arc::clone(&gateway),
            connections: config.limits.connections,
        };
        let drained = Arc::clone(&gateway);
        let clients =
            tokio::spawn(door.serve(stopped, async move { drained.live().config.drain_timeout }));
        Ok(Self {
            address,
            admin,
            gateway,
            reloader,
            stop,
            admin_stop,
            tasks,
            clients,
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
            tracing::error!(%error, "the receipts file can't be opened again");
        }
        Arc::clone(&self.reloader).reload_all().await
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
    /// receipts are flushed.
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
        drained
    }
}

/// Opens the plugin directory of a configuration and admits what is in it.
///
/// # Errors
///
/// The directory can't be read, or this machine can't run WebAssembly. A plugin that is not admitted is no error here:
/// it is reported, and a missing required one refuses traffic.
pub(crate) fn open_policies(config: &Config) -> anyhow::Result<Policies> {
    let runtime = Runtime::try_new(RuntimeOptions::default())?;
    let options = PoliciesOptions {
        required: config.plugins.required.clone(),
        poll: config.plugins.poll,
        ..PoliciesOptions::default()
    };
    Ok(Policies::open(runtime, &config.plugins.directory, options)?)
}

fn open_audit(receipts: &Receipts) -> anyhow::Result<Audit<Finished>> {
    let settings = AuditSettings::default();
    Ok(match &receipts.file {
        None => Audit::start(settings, sink::Null, Renderer)?,
        Some(path) => {
            let rotation = Rotation {
                max_bytes: receipts.rotate_bytes,
                keep: receipts.keep,
            };
            Audit::start(settings, File::new(path, Some(rotation)), Renderer)?
        }
    })
}
