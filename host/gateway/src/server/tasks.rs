//! The tasks of a running gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use witgate_handover::{Handover, Sockets};
use witgate_upstream::run_upkeep;

use super::listeners::Listeners;
use super::reload::Reloader;
use crate::admin::Admin;
use crate::batches::Settler;
use crate::gateway::Gateway;
use crate::listen::{Drained, Listener, Overflow, Workers};

/// Maximum number of admin connections. A further one takes the place of the least busy.
const ADMIN_CONNECTIONS: usize = 64;

/// The signals that stop the tasks.
#[derive(Default)]
pub(super) struct Stop {
    /// Stops the clients' listener and most other tasks.
    pub(super) clients: Arc<watch::Sender<bool>>,
    /// Stops the rest once the clients have drained: the admin pages, which operators need during a drain, and the
    /// settlement of batches, whose results the last client may read.
    pub(super) admin: Arc<watch::Sender<bool>>,
}

/// The task that hands the gateway over to a new process.
pub(super) struct Succession {
    handover: JoinHandle<()>,
    superseded: watch::Receiver<bool>,
    /// Set once all receipts have been written.
    finished: watch::Sender<bool>,
}

// === impl Stop ===

impl Stop {
    /// Spawns the tasks that no connection belongs to.
    pub(super) fn spawn_background(
        &self,
        gateway: &Arc<Gateway>,
        reloader: &Arc<Reloader>,
    ) -> Vec<JoinHandle<()>> {
        let stopped = || self.clients.subscribe();
        let mut tasks = vec![
            tokio::spawn(Arc::clone(reloader).watch(stopped())),
            tokio::spawn(run_upkeep(gateway.upstreams(), stopped())),
            tokio::spawn(Arc::clone(&gateway.usage).run(self.admin.subscribe())),
        ];
        let settler = Settler::new(
            &gateway.batches,
            &gateway.ledger,
            {
                let gateway = Arc::clone(gateway);
                move || gateway.snapshot()
            },
            {
                let gateway = Arc::clone(gateway);
                move |receipt| gateway.submit(receipt)
            },
        );
        tasks.extend(settler.map(|settler| tokio::spawn(settler.run(self.admin.subscribe()))));
        let carrier = gateway.budgets.post.carrier(
            {
                let gateway = Arc::clone(gateway);
                move || gateway.snapshot()
            },
            self.admin.subscribe(),
        );
        tasks.extend(carrier.map(tokio::spawn));
        tasks
    }

    /// Spawns the handover to a new process, or returns `None` if the gateway has no upgrade socket. `following` is true
    /// while the predecessor of this process drains.
    pub(super) fn spawn_handover(
        &self,
        listeners: &mut Listeners,
        following: Option<Arc<AtomicBool>>,
        gateway: &Arc<Gateway>,
    ) -> Option<Succession> {
        let (path, listener) = listeners.upgrade.take()?;
        let (superseded, superseded_seen) = watch::channel(false);
        let (finished, finished_seen) = watch::channel(false);
        let superseded_gateway = Arc::clone(gateway);
        let handover = Handover {
            books: Arc::<Gateway>::clone(gateway),
            listener,
            path,
            sockets: Sockets {
                clients: Arc::downgrade(&listeners.clients),
                admin: listeners.admin.as_ref().map(Arc::downgrade),
            },
            following: following.unwrap_or_default(),
            supersede: Box::new(move || superseded_gateway.supersede()),
            stop: Arc::downgrade(&self.clients),
            admin_stop: Arc::downgrade(&self.admin),
            superseded,
        };
        Some(Succession {
            handover: tokio::spawn(handover.run(self.clients.subscribe(), finished_seen)),
            superseded: superseded_seen,
            finished,
        })
    }

    /// Spawns the admin listener, or returns `None` if the gateway has none.
    pub(super) fn spawn_admin(
        &self,
        listeners: &mut Listeners,
        app: Admin,
        gateway: &Arc<Gateway>,
    ) -> Option<JoinHandle<()>> {
        let listener = Listener {
            socket: listeners.admin.take()?,
            app: Arc::new(app),
            connections: ADMIN_CONNECTIONS,
            overflow: Overflow::EvictLeastBusy,
            workers: None,
        };
        let gateway = Arc::clone(gateway);
        let stopped = self.admin.subscribe();
        Some(tokio::spawn(async move {
            let drain = async move { gateway.admin_drain() };
            listener.serve(stopped, drain).await;
        }))
    }

    /// Spawns the clients' listener, which serves on these threads or else on the current runtime.
    pub(super) fn spawn_clients(
        &self,
        listeners: Listeners,
        workers: Option<Workers>,
        gateway: &Arc<Gateway>,
    ) -> JoinHandle<Drained> {
        let listener = Listener {
            socket: listeners.clients,
            app: Arc::clone(gateway),
            connections: gateway.snapshot().config.limits.connections,
            overflow: Overflow::RejectNewest,
            workers,
        };
        let gateway = Arc::clone(gateway);
        let drain = async move { gateway.snapshot().config.drain_timeout };
        tokio::spawn(listener.serve(self.clients.subscribe(), drain))
    }
}

// === impl Succession ===

impl Succession {
    /// Completes when another process has taken over. Never completes if the handover ends without one.
    pub(super) async fn superseded(&self) {
        let mut superseded = self.superseded.clone();
        if superseded.wait_for(|superseded| *superseded).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Tells the new process, if there is one, that all receipts have been written, and waits until it knows.
    pub(super) async fn finish(self) {
        let _ = self.finished.send(true);
        let _ = self.handover.await;
    }
}
