//! Commands that print a credential and leave something running.

use std::time::{Duration, Instant};

use crate::harness::{GatewayBuilder, Installation, Upstream};

/// An upstream with a command for its credential.
fn with_command(upstream: &Upstream, script: &str, more: &str) -> Installation {
    Installation::new(&GatewayBuilder::bare().extra(&format!(
        "[upstreams.only]\nbase_url = \"{}\"\ncredential = {{ command = [\"/bin/sh\", \"-c\", \"{script}\"]{more} }}\n",
        upstream.url()
    )))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_command_that_leaves_a_child_with_its_output_is_done_when_it_has_ended() {
    let upstream = Upstream::answering().await;
    let installation = with_command(&upstream, "sleep 45 & echo tok", "");
    let begun = Instant::now();
    let process = installation.start().await;
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "the child is not waited for: {:?}",
        begun.elapsed()
    );
    let mut client = process.client().await;
    let response = client.ask(&installation.messages(&super::body())).await;
    assert_eq!(response.status, 200, "served: {}", response.text());
    let sent = upstream.next_request().await;
    assert_eq!(
        sent.headers.get("x-api-key"),
        Some("tok"),
        "with what the command printed"
    );
}
