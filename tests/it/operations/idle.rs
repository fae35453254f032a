//! A gateway without traffic.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use witgate_gateway::keys::NewKey;
use witgate_runtime::file::Watcher;

use crate::harness::{
    Client, GatewayBuilder, Installation, Request, Upstream, key_entry, within_timeout,
};

/// The time in which nothing may happen. It is what is tested, so it can't be waited for otherwise.
const A_WHILE: Duration = Duration::from_millis(2500);

/// Returns how often each thread of a process has gone to sleep, by its number. A busy machine makes no thread sleep more often.
fn sleeps(process: u32) -> BTreeMap<PathBuf, u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let of = |thread: PathBuf| {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        Some((thread, line?.trim().parse().ok()?))
    };
    threads
        .filter_map(|entry| of(entry.unwrap().path()))
        .collect()
}

/// Returns whether the file system tells of everything that happens to these paths.
fn tells_of(paths: &[&Path]) -> bool {
    let (mut watcher, _waker) = Watcher::try_new().unwrap();
    watcher.watch(paths.iter().copied());
    watcher.hears_all()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_traffic_sleeps_and_still_refuses_a_revoked_key() {
    let upstream = Upstream::answering().await;
    let state = "[state]\ndirectory = \"state\"\n";
    let builder = GatewayBuilder::shipped()
        .extra(state)
        .upstream("default", &upstream);
    let installation = Installation::new(&builder);
    let (keys, policies) = (
        installation.file("keys.toml"),
        installation.file("policies"),
    );
    let (alice, bob) = (NewKey::random(), NewKey::random());
    let both = [("alice", &alice), ("bob", &bob)].map(|(id, key)| key_entry(id, key, "pro"));
    fs::write(&keys, both.concat()).unwrap();
    let process = installation.start().await;
    let asks = async |key: &NewKey| {
        let body =
            serde_json::json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []});
        let request = Request::messages(&body).set_header("x-api-key", &key.secret);
        let mut client = Client::connect(process.address).await;
        client.ask(&request).await.status
    };
    assert_eq!(asks(&alice).await, 200, "it serves");

    if tells_of(&[&keys, &policies]) {
        within_timeout("the gateway to sleep", async {
            loop {
                let before = sleeps(process.id());
                tokio::time::sleep(A_WHILE).await;
                if sleeps(process.id()) == before {
                    return;
                }
            }
        })
        .await;
    } else {
        println!("this file system does not tell of changes, so they are looked for each second");
    }

    let new = keys.with_extension("new");
    fs::write(&new, &both[1]).unwrap();
    fs::rename(&new, &keys).unwrap();
    within_timeout("the revoked key to be refused", async {
        while asks(&alice).await != 401 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(asks(&bob).await, 200, "the other key still opens");
}
