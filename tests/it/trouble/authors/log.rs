//! The log names the plugins that come and go.

use witgate_artifacts::{ROUTE, SWAP_A, SWAP_B};

use crate::harness::{GatewayBuilder, Installation, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_the_plugins_that_came_changed_and_went() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .plugin("swap", SWAP_A, "");
    let installation = Installation::new(&builder);
    let process = installation.start().await;
    process.says("new lineup: added swap").await;
    let line = process.says(" serving ").await;
    assert!(
        line.contains(&format!("admin={}", process.admin)),
        "addresses as they are typed: {line}"
    );

    let policies = installation.file("policies");
    SWAP_B.install_as(&policies, "swap").unwrap();
    process.says("new lineup: changed swap").await;
    std::fs::remove_file(policies.join("swap.wasm")).unwrap();
    process.says("new lineup: removed swap").await;
    std::fs::write(policies.join("route.toml"), "[grants]\nbody = \"head\"\n").unwrap();
    ROUTE.install(&policies).unwrap();
    process.says("new lineup: added route").await;
}
