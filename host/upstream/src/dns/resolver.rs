//! The source of addresses: the system's resolver, or one that an embedder supplies.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

/// The time for which addresses from the system's resolver are fresh. It does not report their time to live.
const FRESH: Duration = Duration::from_secs(30);

/// A resolver of host names.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// Looks up a host.
    ///
    /// # Errors
    ///
    /// The name does not exist, or no name server answered.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Resolved>;
}

/// The result of a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The addresses, in order of preference.
    pub addresses: Vec<SocketAddr>,
    /// The time for which they are fresh. After that they stay in use while they are looked up again.
    pub fresh_for: Duration,
}

/// A resolver shared by all upstreams.
pub type SharedResolver = Arc<dyn Resolver>;

/// The system's resolver.
struct System;

/// Returns the system's resolver.
pub fn system_resolver() -> SharedResolver {
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
