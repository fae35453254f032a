//! The listeners: connections, heads, framing, keys, and who may read the admin pages.

mod admin;
mod floods;
mod heads;
mod once;
mod secrets;
mod windows;

use crate::harness::{GatewayBuilder, TestGateway, Upstream};

/// A gate that takes HTTP/2 in the clear as well, before an upstream that answers.
async fn gate() -> (TestGateway, Upstream) {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .listen("h2c = true")
        .start()
        .await;
    (gate, upstream)
}
