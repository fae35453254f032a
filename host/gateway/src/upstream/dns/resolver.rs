//! The source of addresses: the system's resolver, or one that an embedder brings along.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

/// How long addresses from the system's resolver count as current. It does not tell their time to live.
const FRESH: Duration = Duration::from_secs(30);

/// Finds the addresses of a host.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// Looks up a host.
    ///
    /// # Errors
    ///
    /// The name does not exist, or no name server answered.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved>;
}

/// The answer to a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses, the preferred ones first.
    pub addresses: Vec<SocketAddr>,
    /// How long they count as current. After that they stay in use while they are looked up anew.
    pub fresh_for: Duration,
}

/// A resolver that all upstreams share.
pub(crate) type Names = Arc<dyn Resolver>;

/// The system's resolver.
struct System;

/// Returns the system's resolver.
pub(crate) fn system() -> Names {
    Arc::new(System)
}

#[async_trait]
impl Resolver for System {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved> {
        let addresses = tokio::net::lookup_host((host, port)).await?;
        Ok(Resolved {
            addresses: addresses.collect(),
            fresh_for: FRESH,
        })
    }
}
