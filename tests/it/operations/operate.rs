//! An operator at work while traffic runs: stopping, reloading, looking at the pages.

use std::time::Duration;

use serde_json::json;
use witgate_gateway::keys::NewKey;

use crate::harness::{
    Answer, Ending, Events, GatewayBuilder, Pause, Request, TestGateway, Upstream, key_entry,
    within_timeout,
};

fn asking(gate: &TestGateway) -> Request {
    gate.messages(&json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []}))
}

/// Waits until a page of the admin listener shows something.
async fn until_admin(gate: &TestGateway, path: &str, shows: impl Fn(&str) -> bool) -> String {
    within_timeout("the admin page to change", async {
        loop {
            let page = gate.admin(path).await;
            if shows(page.text()) {
                return page.text().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_stops_at_once_although_connections_are_kept_alive() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    assert_eq!(client.ask(&asking(&gate)).await.status, 200, "served");
    let (drained, folder) = gate.drain().await;
    assert_eq!(drained.cut, 0, "nothing was cut");
    assert!(client.closed().await, "the idle connection is closed");
    let receipts = std::fs::read_to_string(folder.path().join("receipts.jsonl")).unwrap();
    assert_eq!(receipts.lines().count(), 1, "the receipt is in the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_stream_finishes_while_new_connections_are_refused_and_readiness_is_off() {
    let pause = Pause::new();
    let events = Events::begin("claude-haiku-4-5")
        .text(&["one", "two"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(3, &pause)).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let (address, admin) = (gate.address(), gate.running().admin().unwrap());
    let mut client = gate.client().await;
    let body =
        json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": [], "stream": true});
    client.send(&gate.messages(&body)).await;
    pause.reached().await;

    let draining = tokio::spawn(gate.drain());
    within_timeout("the listener to close", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let ready = crate::harness::Client::connect(admin)
        .await
        .ask(&Request::new("GET", "/readyz"))
        .await;
    assert_eq!(ready.status, 503, "readiness is off: {}", ready.text());
    assert!(!draining.is_finished(), "the running stream is waited for");

    pause.resume();
    let response = client.receive().await;
    assert_eq!(
        (response.ending, response.body),
        (Ending::Complete, events.to_bytes()),
        "it finishes"
    );
    assert_eq!(draining.await.unwrap().0.cut, 0, "nothing was cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_outlasts_the_drain_timeout_is_cut_and_has_its_receipt() {
    let upstream = Upstream::always(Answer::never()).await;
    let gate = GatewayBuilder::shipped()
        .top("drain_timeout_ms = 50")
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&asking(&gate)).await;
    upstream.next_request().await;
    let (drained, folder) = gate.drain().await;
    assert_eq!(drained.cut, 1, "it was cut");
    let receipts = std::fs::read_to_string(folder.path().join("receipts.jsonl")).unwrap();
    assert!(
        receipts.contains("\"abandoned\""),
        "and the receipt says so: {receipts}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_opens_and_a_removed_one_closes_without_a_restart() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let new = NewKey::random();
    std::fs::write(gate.file("keys.toml"), key_entry("bob", &new, "pro")).unwrap();
    until_admin(&gate, "/config", |page| page.contains("\"reloads\": 1")).await;
    let request = Request::messages(&json!({"model": "m", "max_tokens": 5, "messages": []}));
    assert_eq!(
        gate.ask(&request.clone().set_header("x-api-key", &new.secret))
            .await
            .status,
        200,
        "the new key"
    );
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        401,
        "the old one is gone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_is_applied_and_a_wrong_one_leaves_everything_as_it_was() {
    let (first, second) = (Upstream::answering().await, Upstream::answering().await);
    let gate = GatewayBuilder::shipped()
        .upstream("default", &first)
        .start()
        .await;
    let path = gate.file("witgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();

    std::fs::write(&path, text.replace(&first.url(), &second.url())).unwrap();
    gate.running().reload().await.expect("it is right");
    assert_eq!(gate.ask(&asking(&gate)).await.status, 200, "served");
    assert_eq!(
        (first.requests().len(), second.requests().len()),
        (0, 1),
        "by the new upstream"
    );

    std::fs::write(&path, text + "\n[limit]\nbody_bytes = 0\n[keyz]\n").unwrap();
    let error = gate.running().reload().await.expect_err("it is wrong");
    assert!(
        error.contains("`limit`") && error.contains("`keyz`"),
        "all that is wrong: {error}"
    );
    assert_eq!(
        gate.ask(&asking(&gate)).await.status,
        200,
        "served as before"
    );
    assert_eq!(second.requests().len(), 2, "by the last good one");
    let page = gate.admin("/config").await;
    assert!(
        page.text().contains("keyz"),
        "the admin page says what is wrong: {}",
        page.text()
    );
    let metrics = gate.admin("/metrics").await;
    assert!(
        metrics.text().contains("witgate_config_reload_failed 1"),
        "and the metrics: {}",
        metrics.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_price_file_prices_the_next_answer() {
    let usage = json!({"input_tokens": 1_000_000, "output_tokens": 0});
    let upstream = Upstream::always(Answer::message("house", "hi", &usage)).await;
    let price = |usd: &str| {
        let rates = format!(
            r#"{{"input":{usd},"output":1,"cache_write_5m":1,"cache_write_1h":1,"cache_read":1}}"#
        );
        format!(
            r#"{{"web_search_usd_per_1000":10,"inference_geo_us_multiplier":1.1,"batch_multiplier":0.5,
                "models":[{{"id":"house","max_output":1000,"usd_per_mtok":{rates}}}]}}"#
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.json");
    std::fs::write(&file, price("2")).unwrap();
    let prices = format!("[prices]\nfile = \"{}\"\n", file.display());
    let gate = GatewayBuilder::shipped()
        .extra(&prices)
        .upstream("default", &upstream)
        .start()
        .await;
    let request = gate.messages(&json!({"model": "house", "max_tokens": 5, "messages": []}));
    gate.ask(&request).await;
    std::fs::write(&file, price("3.5")).unwrap();
    gate.running().reload().await.expect("it is right");
    gate.ask(&request).await;
    let receipts = gate.receipts_when(2).await;
    let costs: Vec<_> = receipts
        .iter()
        .map(|receipt| receipt["cost_picousd"].as_i64().unwrap())
        .collect();
    assert_eq!(costs, [2_000_000_000_000, 3_500_000_000_000], "in pico-USD");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_pages_tell_what_is_there() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    gate.ask(&asking(&gate)).await;
    gate.receipts_when(1).await;
    assert_eq!(gate.admin("/healthz").await.status, 200, "alive");
    assert_eq!(gate.admin("/readyz").await.status, 200, "ready");
    let plugins = gate.admin("/plugins").await.json();
    let names: Vec<_> = plugins["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| plugin["name"].clone())
        .collect();
    assert_eq!(
        names,
        ["audit", "budget", "envelope", "route"],
        "the plugins: {plugins}"
    );
    for plugin in plugins["plugins"].as_array().unwrap() {
        let hook = plugin["name"].as_str().unwrap();
        assert_eq!(plugin["state"], "serving", "{plugin}");
        assert_eq!(plugin["sha256"].as_str().unwrap().len(), 64, "{plugin}");
        let figures = &plugin["metrics"]["hooks"][hook];
        // The request has nothing that the envelope plugin reads. Without rules and resources, the route plugin is interested
        // in models that name an upstream. Without settings, the audit plugin has nothing to edit.
        let (calls, left_out) = match hook {
            "envelope" | "route" | "audit" => (0, 1),
            _ => (1, 0),
        };
        assert_eq!(figures["calls"], calls, "{plugin}");
        assert_eq!(figures["left_out"], left_out, "{plugin}");
        assert_eq!(
            figures["p50_ns"].as_u64().unwrap() > 0,
            calls > 0,
            "{plugin}"
        );
    }
    let metrics = gate.admin("/metrics").await;
    for line in [
        "witgate_exchanges_total{endpoint=\"messages\",outcome=\"answered\",status=\"200\"} 1",
        "witgate_tokens_total{kind=\"input\"} 1",
        "witgate_plugin_calls_total{plugin=\"budget\",hook=\"budget\"} 1",
        "witgate_plugin_left_out_total{plugin=\"route\",hook=\"route\"} 1",
        "# TYPE witgate_plugin_calls counter",
        "# HELP witgate_ready ",
        "witgate_ready 1",
        "# EOF",
    ] {
        assert!(
            metrics.text().contains(line),
            "{line} in:\n{}",
            metrics.text()
        );
    }
    assert_eq!(
        gate.admin("/nothing").await.status,
        404,
        "other pages are not there"
    );
}
