//! Instances of plugins: as many as calls at a time, and a sum that they all share.

use witgate_artifacts::SHIPPED;

use crate::harness::{GatewayBuilder, Upstream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_instances_of_all_plugins_have_one_limit_which_the_operator_sees() {
    let upstream = Upstream::answering().await;
    let plugins = "[plugins]\ndirectory = \"policies\"\nmemory_bytes = 67108864\n";
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra(plugins)
        .start()
        .await;
    let body = serde_json::json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
    let answer = gate.ask(&gate.messages(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let taken = gate.gauge("plugin_memory_bytes").await;
    let limit = gate.gauge("plugin_memory_limit_bytes").await;
    assert_eq!(limit, 64 << 20, "as it was said");
    let least = SHIPPED.len() as u64 * 64 * 1024;
    assert!((least..=limit).contains(&taken), "{taken} bytes are taken");
}
