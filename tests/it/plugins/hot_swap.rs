//! A changed plugin is live without a restart, and no request sees half of a change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use witgate_artifacts::{AUDIT, Artifact, BUDGET, ENVELOPE, ROUTE, SWAP_A, SWAP_B};

use crate::harness::{Answer, GatewayBuilder, Pause, Recorded, Upstream};

fn sha256(artifact: Artifact) -> String {
    Sha256::digest(artifact.bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn echo_model(request: &Recorded) -> Answer {
    let model = request.json()["model"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Answer::message(
        &model,
        "hi",
        &json!({"input_tokens": 1, "output_tokens": 1}),
    )
}

/// 200 requests a second for this long, and this many changes meanwhile.
const SECONDS: u64 = 10;
const SWAPS: u32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_swaps_under_load_fail_no_request_and_mix_no_lineup() {
    let upstream = Upstream::start_with(echo_model).await;
    let builder = GatewayBuilder::shipped().plugin("route", SWAP_A, "");
    let gate = Arc::new(builder.upstream("default", &upstream).start().await);

    let swapping = Arc::new(AtomicBool::new(true));
    let swapper = tokio::spawn({
        let (gate, swapping) = (Arc::clone(&gate), Arc::clone(&swapping));
        async move {
            let mut ticks = interval(Duration::from_millis(1000 * SECONDS / u64::from(SWAPS)));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for swap in 0..SWAPS {
                ticks.tick().await;
                let folder = gate.policies();
                let bytes: &[u8] = match swap % 4 {
                    0 => SWAP_B.bytes(),
                    1 => b"\0asm this is no module",
                    2 => SWAP_A.bytes(),
                    _ => &SWAP_B.bytes()[..SWAP_B.bytes().len() / 2],
                };
                let beside = folder.join(".route.wasm.new");
                std::fs::write(&beside, bytes).unwrap();
                std::fs::rename(&beside, folder.join("route.wasm")).unwrap();
            }
            swapping.store(false, Ordering::Relaxed);
        }
    });

    let request = Arc::new(
        gate.messages(&json!({"model": "claude-sonnet-5-5", "max_tokens": 5, "messages": []})),
    );
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (gate, request, swapping) = (
                Arc::clone(&gate),
                Arc::clone(&request),
                Arc::clone(&swapping),
            );
            tokio::spawn(async move {
                let mut client = gate.client().await;
                let mut ticks = interval(Duration::from_millis(40));
                let mut shown = Vec::new();
                while swapping.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    let response = client.ask(&request).await;
                    assert_eq!(
                        response.status,
                        200,
                        "no request fails: {}",
                        response.text()
                    );
                    let id = response
                        .headers
                        .get("witgate-request-id")
                        .expect("an id")
                        .to_owned();
                    let side = response
                        .headers
                        .get("x-swap")
                        .expect("the plugin's sign")
                        .to_owned();
                    shown.push((
                        id,
                        side,
                        response.json()["model"]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned(),
                    ));
                }
                shown
            })
        })
        .collect();
    let mut shown = BTreeMap::new();
    for worker in workers {
        for (id, side, model) in worker.await.unwrap() {
            shown.insert(id, (side, model));
        }
    }
    swapper.await.unwrap();

    let receipts = gate.receipts_when(shown.len()).await;
    assert_eq!(receipts.len(), shown.len(), "one receipt for each request");
    let mut sides = BTreeMap::<_, usize>::new();
    for receipt in &receipts {
        let (side, model) = &shown[receipt["id"].as_str().unwrap()];
        let hash = if side == "a" {
            sha256(SWAP_A)
        } else {
            sha256(SWAP_B)
        };
        assert_eq!(
            receipt["plugins"]["route"],
            json!(hash),
            "the receipt names what the answer shows: {receipt}"
        );
        assert_eq!(
            receipt["rule"],
            json!(side),
            "envelope and route were asked in the same lineup: {receipt}"
        );
        assert!(
            model.contains(side.as_str()),
            "the model that was asked for is that side's: {model} {receipt}"
        );
        *sides.entry(side.clone()).or_default() += 1;
    }
    assert_eq!(sides.len(), 2, "both sides have served: {sides:?}");
    assert!(
        receipts.len() > 500,
        "the load was there: {}",
        receipts.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_exchange_finishes_on_the_lineup_that_it_pinned() {
    let pause = Pause::new();
    let answer = Answer::message("m", "hi", &json!({"input_tokens": 1, "output_tokens": 1}))
        .pause_before_head(&pause);
    let upstream = Upstream::always(answer).await;
    let gate = GatewayBuilder::bare()
        .plugin("route", SWAP_A, "")
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    client
        .send(&gate.messages(&json!({"model": "m", "max_tokens": 5, "messages": []})))
        .await;
    pause.reached().await;
    gate.change_policies(|folder| drop(SWAP_B.install_as(folder, "route").unwrap()))
        .await;
    pause.resume();
    let response = client.receive().await;
    assert_eq!(
        response.headers.get("x-swap"),
        Some("a"),
        "its answer is of the lineup that it began with"
    );
    let receipt = gate.receipts_when(1).await.remove(0);
    assert_eq!(
        receipt["plugins"]["route"],
        json!(sha256(SWAP_A)),
        "and so is its receipt: {receipt}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sidecar_edit_alone_is_live_for_the_next_request() {
    let upstream = Upstream::start_with(echo_model).await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let request = gate.messages(&json!({"model": "house", "max_tokens": 5, "messages": []}));
    let to = |model: &str| {
        format!(
            "[[settings.resources]]\nname = \"house\"\ntargets = [{{ upstream = \"default\", model = \"{model}\" }}]\n"
        )
    };
    for model in ["claude-haiku-5-5", "claude-opus-5-5"] {
        gate.change_policies(|folder| {
            std::fs::write(folder.join("route.toml"), to(model)).unwrap();
        })
        .await;
        assert_eq!(
            gate.ask(&request).await.json()["model"],
            model,
            "the new settings are in force"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_file_changes_nothing_and_says_why() {
    let upstream = Upstream::start_with(echo_model).await;
    let gate = GatewayBuilder::bare()
        .plugin("route", SWAP_A, "")
        .upstream("default", &upstream)
        .start()
        .await;
    let request = gate.messages(&json!({"model": "m", "max_tokens": 5, "messages": []}));
    let bad = [
        ("route.wasm", b"".to_vec(), "empty"),
        ("route.wasm", b"not wasm at all".to_vec(), "wasm"),
        ("route.toml", b"deadlin = 1\n".to_vec(), "route.toml:1"),
    ];
    for (file, bytes, told) in bad {
        gate.change_policies_in_vain(|folder| std::fs::write(folder.join(file), bytes).unwrap())
            .await;
        assert_eq!(
            gate.ask(&request).await.headers.get("x-swap"),
            Some("a"),
            "the last good plugin serves"
        );
        let plugins = gate.admin("/plugins").await.json();
        let plugin = &plugins["plugins"][0];
        assert_eq!(plugin["state"], "last-good", "it is visible: {plugin}");
        let error = plugin["last_error"].as_str().unwrap_or_default();
        assert!(error.contains(told), "the reason names {told}: {error}");
    }
    gate.change_policies(|folder| {
        std::fs::write(folder.join("route.toml"), "").unwrap();
        SWAP_B.install_as(folder, "route").unwrap();
    })
    .await;
    assert_eq!(
        gate.ask(&request).await.headers.get("x-swap"),
        Some("b"),
        "a good file is taken again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_required_plugin_that_is_missing_refuses_traffic_instead_of_opening_the_gate() {
    let upstream = Upstream::start_with(echo_model).await;
    let gate = GatewayBuilder::bare()
        .plugin("envelope", ENVELOPE, "")
        .plugin("route", ROUTE, "[settings]\nunmatched = \"pass\"\n")
        .plugin("budget", BUDGET, "")
        .plugin("audit", AUDIT, "")
        .extra("[plugins]\ndirectory = \"policies\"\nrequired = [\"budget\"]\n")
        .upstream("default", &upstream)
        .start()
        .await;
    let request = gate.messages(&json!({"model": "m", "max_tokens": 5, "messages": []}));
    assert_eq!(gate.ask(&request).await.status, 200, "all is there");
    assert_eq!(gate.admin("/readyz").await.status, 200, "and it is ready");

    gate.change_policies(|folder| std::fs::remove_file(folder.join("budget.wasm")).unwrap())
        .await;
    let response = gate.ask(&request).await;
    assert_eq!(response.status, 503, "refused: {}", response.text());
    assert!(
        response.text().contains("budget"),
        "the answer names the plugin: {}",
        response.text()
    );
    let ready = gate.admin("/readyz").await;
    assert_eq!(ready.status, 503, "readiness tells the truth");
    assert!(
        ready.text().contains("budget"),
        "and says why: {}",
        ready.text()
    );

    gate.change_policies(|folder| drop(BUDGET.install(folder).unwrap()))
        .await;
    assert_eq!(gate.ask(&request).await.status, 200, "back again");
}
