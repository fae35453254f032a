//! The tools that tests drive the gateway with: a [`Client`] in front of it, an [`Upstream`] behind it, and the requests and
//! answers that real clients and the real API exchange.
//!
//! Nothing here interprets more HTTP than it must: what was sent is what is recorded, to the byte. Nothing sleeps: a
//! test that has to wait for a moment waits for a [`Pause`] to be reached or for a request to arrive. A wait that
//! would be endless panics after [`TIMEOUT`], so that a broken gateway fails a test instead of hanging it.

mod answer;
mod builder;
mod capture;
mod cli;
mod client;
mod coding;
mod events;
mod fake_organization;
mod gateway;
mod http2;
mod operator;
mod pause;
mod process;
mod reply;
mod request;
mod tenants;
mod tls;
mod upstream;
mod wire;

use std::future::Future;
use std::time::Duration;

pub use answer::Answer;
pub use builder::{GatewayBuilder, key_entry};
pub use capture::Capture;
pub use cli::{complaint, printed, text, witgate};
pub use client::Client;
pub use coding::compressed;
pub use events::{Event, Events};
pub use fake_organization::FakeOrganization;
pub use gateway::{TestGateway, receipts_in};
pub use http2::{Http2Client, Http2Response, Http2Upstream, whole};
pub use operator::{ADMIN_KEYS, Operator, SPEND_LIMITS, operators_keys};
pub use pause::Pause;
pub use process::{Installation, Process, binary};
pub use reply::{Ending, Reply, Response};
pub use request::Request;
pub use tenants::Caller;
pub use tls::{Authority, Greeting, Identity, Tunnel};
pub use upstream::{Recorded, Upstream};

/// The longest time that a test waits for something that must happen, generous enough for a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Waits for a future that must complete; `what` describes it.
///
/// # Panics
/// After [`TIMEOUT`].
pub async fn within_timeout<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(TIMEOUT, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {TIMEOUT:?} in vain for {what}"),
    }
}
