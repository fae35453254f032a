//! Keys with different limits under many clients at once.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use super::standin::{Refusal, Standin};
use super::{agent_of, asking, attempts, body, gateway, secrets, shown, streaming, table};
use crate::harness::{Client, Request, TestGateway};

const AGENTS: usize = 60;
const ROUNDS: usize = 5;

/// Lets all agents ask round after round, each on a connection of its own, and returns the statuses.
async fn all_agents(gate: &TestGateway, request: impl Fn(usize, usize) -> Request) -> Vec<u16> {
    let mut agents = JoinSet::new();
    for agent in 0..AGENTS {
        let requests: Vec<_> = (0..ROUNDS).map(|round| request(agent, round)).collect();
        let address = gate.address();
        agents.spawn(async move {
            let mut client = Client::connect(address).await;
            let mut statuses = Vec::new();
            for request in &requests {
                statuses.push(client.ask(request).await.status);
            }
            client.finish().await;
            statuses
        });
    }
    agents.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_429_reaches_a_client_while_any_key_has_room() {
    let standin = Standin::start(&[("a", 20), ("b", 60), ("c", 100_000)]).await;
    let folder = secrets(&["a", "b", "c"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b", "c"],
    ))
    .await;
    let statuses = all_agents(&gate, |agent, round| {
        let body = if (agent + round) % 2 == 0 {
            body()
        } else {
            streaming()
        };
        asking(&gate, agent, &body)
    })
    .await;
    assert_eq!(statuses.len(), AGENTS * ROUNDS, "all were answered");
    assert!(
        statuses.iter().all(|status| *status == 200),
        "by a key with room: {statuses:?}"
    );
    let [a, b, c] = ["a", "b", "c"].map(|name| standin.key(name));
    assert_eq!(a.used, 20, "all that it was good for");
    assert_eq!(b.used, 60, "and this one");
    assert!(c.used >= 220 && c.refused == 0, "the rest: {c:?}");
    // Each agent may find an exhausted key out for itself, if all ask at once; afterwards it is left alone.
    let refused = a.refused + b.refused;
    assert!(refused <= AGENTS as u64, "{refused} refusals");

    // A session leaves a key once, and does not come back to it.
    let mut agents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for receipt in gate.receipts_when(AGENTS * ROUNDS).await {
        let agent = receipt["agent"].as_str().expect("an agent").to_owned();
        let last = attempts(&receipt).pop().expect("an attempt").clone();
        let credential = last["credential"].as_str().expect("a credential");
        let keys = agents.entry(agent).or_default();
        if keys.last().is_none_or(|key| key != credential) {
            keys.push(credential.to_owned());
        }
    }
    assert_eq!(agents.len(), AGENTS, "all agents have receipts");
    for (agent, keys) in agents {
        let different: BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{agent} came back: {keys:?}");
        assert!(keys.len() <= 3, "{agent} moved once for each key: {keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_at_its_limit_gives_way_within_the_same_attempt() {
    let standin = Standin::start(&[("a", 1_000), ("b", 1_000)]).await;
    let folder = secrets(&["a", "b"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b"],
    ))
    .await;
    let agent = agent_of(&gate, &standin, "b", 0).await;
    let before = gate.receipts().await.len();
    standin.limit("b", 0, Refusal::After(600));
    let response = gate.ask(&asking(&gate, agent, &streaming())).await;
    assert_eq!(response.status, 200, "the other key has room");
    assert_eq!(
        response.events().len(),
        7,
        "and answered: {}",
        response.text()
    );
    let receipt = gate.receipts_when(before + 1).await.pop().expect("it");
    let [refused, served] = attempts(&receipt)[..] else {
        panic!("two requests: {receipt}");
    };
    assert_eq!(refused["credential"], "b", "{receipt}");
    assert_eq!(refused["status"], 429, "{receipt}");
    assert_eq!(served["credential"], "a", "{receipt}");
    assert_eq!(served["moved_from"], "b", "{receipt}");
    assert_eq!(served["status"], 200, "{receipt}");

    let b = shown(&gate, "only", "b").await;
    assert_eq!(b["state"], "cooling", "{b}");
    assert_eq!(b["limited"], 1, "{b}");
    assert_eq!(b["moved"], 1, "{b}");
    assert!(b["for_ms"].as_u64() > Some(590_000), "{b}");
    let upstream = crate::upstreams::shown(&gate, "only").await;
    assert_eq!(
        upstream["retries_left"], 10,
        "no retry was spent: {upstream}"
    );
    assert_eq!(
        upstream["last_minute"]["errors"], 0,
        "nor an error: {upstream}"
    );

    // What comes next goes straight to the new key.
    let asked = standin.key("b").refused;
    for _ in 0..5 {
        let response = gate.ask(&asking(&gate, agent, &body())).await;
        assert_eq!(response.status, 200, "served");
    }
    assert_eq!(
        standin.key("b").refused,
        asked,
        "a cooling key is left alone"
    );
    let metrics = gate.admin("/metrics").await;
    let line = "witgate_upstream_credential_limited_total{upstream=\"only\",credential=\"b\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_all_keys_are_exhausted_the_client_is_told_the_earliest_time() {
    let standin = Standin::start(&[("a", 0), ("b", 0), ("c", 0)]).await;
    for (name, seconds) in [("a", 500), ("b", 40), ("c", 300)] {
        standin.limit(name, 0, Refusal::After(seconds));
    }
    let folder = secrets(&["a", "b", "c"]);
    let gate = gateway(&table(
        "only",
        &standin.upstream.url(),
        &folder,
        &["a", "b", "c"],
    ))
    .await;
    for round in 0..3 {
        let response = gate.ask(&asking(&gate, round, &body())).await;
        assert_eq!(response.status, 429, "{}", response.text());
        assert_eq!(
            response.json()["error"]["type"],
            "rate_limit_error",
            "{}",
            response.text()
        );
        let after = response.headers.get("retry-after").expect("a wait");
        let after: u64 = after.parse().expect("seconds");
        assert!((35..=41).contains(&after), "the earliest: {after}");
    }
    let refused: u64 = ["a", "b", "c"]
        .map(|name| standin.key(name).refused)
        .iter()
        .sum();
    assert_eq!(refused, 3, "each was asked once, and then left alone");
    let receipts = gate.receipts_when(3).await;
    let first = attempts(&receipts[0]);
    assert_eq!(
        first.len(),
        3,
        "the first one found it out: {}",
        receipts[0]
    );
    assert!(
        first.iter().all(|it| it["status"] == 429),
        "{}",
        receipts[0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_to_its_next_upstream_once_all_keys_are_exhausted() {
    let standin = Standin::start(&[("a", 0), ("b", 0)]).await;
    let other = Standin::start(&[("z", 100)]).await;
    let folder = secrets(&["a", "b", "z"]);
    let first = table("first", &standin.upstream.url(), &folder, &["a", "b"]);
    let second = table("second", &other.upstream.url(), &folder, &["z"]);
    let group = "[groups.all]\nchoice = \"order\"\nmembers = [{ upstream = \"first\" }, { upstream = \"second\" }]\n";
    let gate = crate::harness::GatewayBuilder::bare()
        .plugin("envelope", witgate_artifacts::ENVELOPE, "")
        .top("default_upstream = \"all\"")
        .extra(&format!("{first}{second}{group}"))
        .start()
        .await;
    for agent in 0..3 {
        let response = gate.ask(&asking(&gate, agent, &body())).await;
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(other.key("z").used, 3, "the second upstream served all");
    let refused = standin.key("a").refused + standin.key("b").refused;
    assert_eq!(refused, 2, "each key of the first was asked once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_keeps_a_session_at_one_upstream() {
    let one = Standin::start(&[("a", 1000)]).await;
    let two = Standin::start(&[("b", 1000)]).await;
    let folder = secrets(&["a", "b"]);
    let tables = [
        table("one", &one.upstream.url(), &folder, &["a"]),
        table("two", &two.upstream.url(), &folder, &["b"]),
    ];
    let group = "[groups.all]\nchoice = \"session\"\nmembers = [{ upstream = \"one\" }, { upstream = \"two\" }]\n";
    let gate = crate::harness::GatewayBuilder::bare()
        .plugin("envelope", witgate_artifacts::ENVELOPE, "")
        .top("default_upstream = \"all\"")
        .extra(&format!("{}{group}", tables.concat()))
        .start()
        .await;
    let used = || [one.key("a").used, two.key("b").used];
    for agent in 0..20 {
        let before = used();
        for _ in 0..3 {
            let response = gate.ask(&asking(&gate, agent, &body())).await;
            assert_eq!(response.status, 200, "served");
        }
        let mut here: Vec<u64> = used()
            .iter()
            .zip(before)
            .map(|(now, then)| now - then)
            .collect();
        here.sort_unstable();
        assert_eq!(here, [0, 3], "agent {agent} stays at one");
    }
    assert!(
        used().iter().all(|used| *used > 0),
        "both are used: {:?}",
        used()
    );
}
