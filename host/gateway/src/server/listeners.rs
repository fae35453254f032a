//! The listening sockets of a gateway: opened, or inherited from the process that runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use witgate_handover::{self as handover, Predecessor};

use crate::config::Config;
use crate::gateway::Gateway;
use crate::listen::{ListenerRole, bind};

/// The origin of a gateway's sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The gateway opens them.
    Fresh,
    /// The process that runs hands them over, if there is one.
    Upgrade,
}

/// The listening sockets of a gateway.
pub(super) struct Listeners {
    pub(super) clients: Arc<TcpListener>,
    pub(super) address: SocketAddr,
    pub(super) admin: Option<Arc<TcpListener>>,
    pub(super) admin_address: Option<SocketAddr>,
    pub(super) upgrade: Option<(PathBuf, UnixListener)>,
}

// === impl Listeners ===

impl Listeners {
    /// Opens the sockets that the configuration names, or takes them over. A gateway that handed them over has stopped
    /// listening when this returns.
    pub(super) async fn open(
        config: &Config,
        origin: Origin,
        gateway: &Arc<Gateway>,
    ) -> anyhow::Result<(Self, Option<Predecessor>)> {
        let mut inheritance = match (&config.upgrade, origin) {
            (Some(path), Origin::Upgrade) => handover::ask(path).await?,
            _ => None,
        };
        let (mut clients, mut admin, mut upgrade) = (None, None, None);
        let admin_address = config.admin.as_ref().map(|admin| admin.address);
        if let Some(inheritance) = &mut inheritance {
            clients = inheritance.clients(config.listen.address)?;
            if let Some(address) = admin_address {
                admin = inheritance.admin(address)?;
            }
            if let Some(path) = &config.upgrade {
                upgrade = Some(inheritance.upgrade_socket(path).await?);
            }
        }
        let clients = match clients {
            Some(clients) => clients,
            None => bind(ListenerRole::Clients, config.listen.address).await?,
        };
        let admin = match (admin, admin_address) {
            (Some(admin), _) => Some(admin),
            (None, Some(address)) => Some(bind(ListenerRole::Admin, address).await?),
            (None, None) => None,
        };
        let upgrade = match (upgrade, &config.upgrade) {
            (Some(socket), Some(path)) => Some((path.clone(), socket)),
            (None, Some(path)) => Some((path.clone(), handover::bind(path).await?)),
            (_, None) => None,
        };
        let listeners = Self {
            address: clients.local_addr()?,
            clients: Arc::new(clients),
            admin_address: admin.as_ref().map(TcpListener::local_addr).transpose()?,
            admin: admin.map(Arc::new),
            upgrade,
        };
        gateway.policies.watch()?;
        let predecessor = match inheritance {
            Some(inheritance) => {
                let books = Arc::<Gateway>::clone(gateway);
                Some(inheritance.take_over(books).await?)
            }
            None => None,
        };
        Ok((listeners, predecessor))
    }
}
