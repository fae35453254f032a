//! What was spent, as operators and callers may ask for it.

use serde_json::{Value, json};
use witgate_artifacts::ENVELOPE;

use crate::harness::{
    Answer, Caller, GatewayBuilder, Request, TestGateway, Upstream, printed, text, witgate,
};

/// Haiku 4.5: a million pico-USD for each token of the prompt, five for each of the answer.
const COST: &str = "0.000135";

fn builder() -> GatewayBuilder {
    GatewayBuilder::bare()
        .plugin(
            "envelope",
            ENVELOPE,
            "[grants]\nbody = \"read\"\nheaders = [\"x-vmx-*\", \"x-claude-code-*\"]\n",
        )
        .extra("[state]\ndirectory = \"state\"\n\n[usage]\nmetadata = [\"team\"]\n")
}

async fn upstream() -> Upstream {
    let usage = json!({"input_tokens": 100, "output_tokens": 7, "cache_read_input_tokens": 0});
    Upstream::always(Answer::message("claude-haiku-4-5", "hi", &usage)).await
}

fn ask(gate: &TestGateway, session: &str, team: &str) -> Request {
    let body = json!({"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [],
        "vmx": {"metadata": {"team": team}}});
    gate.messages(&body)
        .set_header("x-claude-code-session-id", session)
}

/// A page of the admin listener once there are so many receipts.
async fn page(gate: &TestGateway, receipts: usize, path: &str) -> Value {
    gate.receipts_when(receipts).await;
    let page = gate.admin(path).await;
    assert_eq!(page.status, 200, "{path}: {}", page.text());
    page.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spend_is_answered_by_every_dimension_as_json_and_csv() {
    let upstream = upstream().await;
    let gate = builder().upstream("default", &upstream).start().await;
    for (session, team) in [("s1", "growth"), ("s1", "growth"), ("s2", "core")] {
        assert_eq!(gate.ask(&ask(&gate, session, team)).await.status, 200);
    }
    let refused = gate
        .messages(&json!([]))
        .set_header("x-claude-code-session-id", "s3");
    assert_eq!(gate.ask(&refused).await.status, 400, "no JSON object");
    let all = page(&gate, 4, "/usage?latencies=true").await;
    let total = &all["total"];
    assert_eq!(total["requests"], 3, "{all}");
    assert_eq!(total["refused"], 1, "{all}");
    assert_eq!(total["cost_usd"], "0.000405", "{all}");
    assert!(total["total_p95_ms"].is_u64(), "a latency: {all}");
    let growth = page(&gate, 4, "/usage?by=team,model,upstream&where=team=growth").await;
    assert_eq!(growth["rows"].as_array().unwrap().len(), 1, "{growth}");
    let row = &growth["rows"][0];
    assert_eq!(
        (
            &row["team"],
            &row["model"],
            &row["upstream"],
            &row["requests"]
        ),
        (
            &json!("growth"),
            &json!("claude-haiku-4-5"),
            &json!("default"),
            &json!(2)
        ),
        "{growth}"
    );
    let sessions = gate.admin("/usage?by=session&sort=name&format=csv").await;
    let lines: Vec<_> = sessions.text().lines().map(str::to_owned).collect();
    assert!(lines[0].starts_with("session,requests,"), "{lines:?}");
    assert!(
        lines[1].starts_with(",0,") && lines[2].starts_with("s1,2,"),
        "{lines:?}"
    );
    let wrong = gate.admin("/usage?by=colour").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("use tenant, key"), "{}", wrong.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_told_its_own_spend_and_no_other() {
    let upstream = upstream().await;
    let gate = builder().upstream("default", &upstream).start().await;
    let other = Caller::admit(&gate, "other", "umbrella", "").await;
    assert_eq!(gate.ask(&ask(&gate, "s1", "growth")).await.status, 200);
    let theirs = other.keyed(ask(&gate, "s9", "growth"));
    assert_eq!(gate.ask(&theirs).await.status, 200);
    let all = page(&gate, 2, "/usage?by=key").await;
    assert_eq!(
        all["rows"].as_array().unwrap().len(),
        2,
        "both are there: {all}"
    );

    let get = |path: &str| gate.keyed(Request::new("GET", path));
    let own = gate.ask(&get("/v1/usage?by=session,tenant")).await;
    assert_eq!(own.status, 200, "{}", own.text());
    let own = own.json();
    assert_eq!(own["total"]["cost_usd"], COST, "its own: {own}");
    assert_eq!(own["rows"][0]["session"], "s1", "{own}");
    let asked = gate
        .ask(&get("/v1/usage?by=session&where=key=other"))
        .await
        .json();
    assert_eq!(asked["total"]["requests"], 0, "not another's: {asked}");
    let listed = gate.ask(&get("/sessions")).await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
    let foreign = page(&gate, 2, "/sessions").await;
    let foreign = foreign["sessions"].as_array().unwrap();
    let foreign = foreign.iter().find(|it| it["session"] == "s9").unwrap();
    let id = foreign["id"].as_str().unwrap();
    for name in ["s9", id] {
        let path = format!("/sessions/{name}");
        assert_eq!(
            gate.ask(&get(&path)).await.status,
            404,
            "{name} is another's"
        );
        let end = gate.keyed(Request::new("DELETE", &path));
        assert_eq!(
            gate.ask(&end).await.status,
            404,
            "{name} is another's to end"
        );
    }
    let stranger = gate.ask(&Request::new("GET", "/v1/usage")).await;
    assert_eq!(stranger.status, 401, "without a key: {}", stranger.text());
    assert_eq!(
        gate.receipts_when(3).await.len(),
        3,
        "pages leave no receipt, strangers do"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_is_refused_and_others_go_on() {
    let upstream = upstream().await;
    let gate = builder().upstream("default", &upstream).start().await;
    for session in ["s1", "s2", "s3"] {
        assert_eq!(gate.ask(&ask(&gate, session, "a")).await.status, 200);
    }
    let sub_agent = ask(&gate, "s1", "a").set_header("x-claude-code-agent-id", "a1");
    assert_eq!(gate.ask(&sub_agent).await.status, 200);
    let listed = page(&gate, 4, "/sessions").await;
    let sessions = listed["sessions"].as_array().unwrap();
    let of = |name: &str| sessions.iter().find(|it| it["session"] == name).unwrap();
    let first = of("s1");
    assert_eq!(
        (&first["turns"], &first["requests"]),
        (&json!(1), &json!(2)),
        "{first}"
    );
    assert_eq!(first["cost_usd"], "0.00027", "with its sub-agent: {first}");
    let one = page(
        &gate,
        4,
        &format!("/sessions/{}", first["id"].as_str().unwrap()),
    )
    .await;
    let agents: Vec<_> = one["agents"].as_array().unwrap().iter().collect();
    assert_eq!(agents.len(), 2, "{one}");
    assert!(
        agents
            .iter()
            .any(|row| row["agent"] == "a1" && row["cost_usd"] == COST),
        "the cost of a sub-agent: {one}"
    );

    let end = gate.keyed(Request::new("DELETE", "/sessions/s1"));
    assert_eq!(gate.ask(&end).await.status, 200, "its caller ends it");
    let id = of("s2")["id"].as_str().unwrap();
    let ended = gate
        .admin_with(&Request::new("DELETE", &format!("/sessions/{id}")))
        .await;
    assert_eq!(ended.status, 200, "an operator ends it: {}", ended.text());
    for (session, status) in [("s1", 403), ("s2", 403), ("s3", 200)] {
        let response = gate.ask(&ask(&gate, session, "a")).await;
        assert_eq!(response.status, status, "{session}: {}", response.text());
    }
    let listed = page(&gate, 7, "/sessions").await;
    let ended = listed["sessions"].as_array().unwrap().iter();
    let ended = ended.filter(|it| it["ended"] == true).count();
    assert_eq!(ended, 2, "{listed}");
    let kept = gate.admin_with(&Request::new("DELETE", "/budgets")).await;
    assert_eq!(
        kept.status,
        405,
        "nothing else can be deleted: {}",
        kept.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_answer_from_the_files_alone() {
    let upstream = upstream().await;
    let gate = builder().upstream("default", &upstream).start().await;
    for (session, team) in [("s1", "growth"), ("s2", "core")] {
        assert_eq!(gate.ask(&ask(&gate, session, team)).await.status, 200);
    }
    let (_, folder) = gate.drain().await;
    let run = |arguments: &[&str]| {
        let output = witgate(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        printed(&output)
    };
    let table = run(&["usage", "--by", "team,model", "--where", "team=growth"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("team"), "{table}");
    assert!(lines[1].starts_with("growth  claude-haiku-4-5"), "{table}");
    assert!(
        lines[1].ends_with("0.0002"),
        "the cost, rounded up: {table}"
    );
    assert!(lines[2].starts_with("total"), "{table}");
    let csv = run(&[
        "usage", "--by", "session", "--format", "csv", "--sort", "name",
    ]);
    assert!(csv.contains("\ns1,1,") && csv.contains("\ns2,1,"), "{csv}");
    let json: Value =
        serde_json::from_str(&run(&["usage", "--per", "day", "--format", "json"])).unwrap();
    assert_eq!(json["total"]["cost_usd"], "0.00027", "{json}");
    let wrong = witgate(folder.path(), &["usage", "--by", "colour"]);
    assert!(
        !wrong.status.success() && text(&wrong).contains("--by: there is no `colour`"),
        "{}",
        text(&wrong)
    );

    let found = run(&[
        "receipts",
        "query",
        "--session",
        "s2",
        "--outcome",
        "answered",
    ]);
    let receipt: Value = serde_json::from_str(found.trim()).expect("one receipt");
    assert_eq!(receipt["metadata"]["team"], "core", "{receipt}");
    let id = receipt["id"].as_str().unwrap();
    assert_eq!(run(&["receipts", "query", "--id", id]), found, "by its id");
    let team = run(&[
        "receipts",
        "query",
        "--where",
        "metadata.team=growth",
        "--since",
        "1h",
    ]);
    assert_eq!(team.lines().count(), 1, "{team}");
    assert_eq!(
        run(&["receipts", "query", "--until", "2020-01"]),
        "",
        "none so old"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_are_queried_by_dates_of_the_time_zone_of_usage() {
    let upstream = upstream().await;
    let gate = GatewayBuilder::bare()
        .extra("[state]\ndirectory = \"state\"\n\n[usage]\ntime_zone = \"Asia/Tokyo\"\n")
        .upstream("default", &upstream)
        .start()
        .await;
    let (_, folder) = gate.drain().await;
    // Midnight of the 29th in Tokyo, and a millisecond before.
    let midnight = 1_795_878_000_000_u64;
    let line = |id: &str, at: u64| format!("{{\"id\":\"{id}\",\"started_unix_ms\":{at}}}\n");
    let lines = line("before", midnight - 1) + &line("after", midnight);
    std::fs::write(folder.path().join("receipts.jsonl"), lines).unwrap();
    let found = |option: &str, time: &str| {
        let output = witgate(folder.path(), &["receipts", "query", option, time]);
        let found = printed(&output);
        let id = |line| serde_json::from_str::<Value>(line).unwrap()["id"].clone();
        found.lines().map(id).collect::<Vec<_>>()
    };
    assert_eq!(found("--since", "2026-11-29"), ["after"], "a date");
    assert_eq!(found("--until", "2026-11-29"), ["before"], "a date");
    assert_eq!(
        found("--since", "2026-11-28T15:00:00Z"),
        ["after"],
        "a time with its own zone"
    );
    let wrong = witgate(folder.path(), &["receipts", "query", "--since", "x"]);
    assert!(
        !wrong.status.success() && text(&wrong).contains("--since x: use 2026-11"),
        "{}",
        text(&wrong)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_in_closed_segments_count_once_and_are_found() {
    let upstream = upstream().await;
    let gate = builder()
        .receipts("rotate_bytes = 65536")
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    for number in 0..200 {
        let asked = ask(&gate, &format!("s{number}"), &"growth".repeat(50));
        assert_eq!(client.ask(&asked).await.status, 200, "request {number}");
        if number % 50 == 49 {
            // A segment is closed between two writes.
            gate.running().flush().await;
        }
    }
    let total = gate.admin("/usage").await.json()["total"].clone();
    assert_eq!(total["requests"], 200, "while it runs: {total}");
    let (_, folder) = gate.drain().await;
    let closed = std::fs::read_dir(folder.path()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("receipts.jsonl.0")
    });
    assert!(closed.count() > 1, "segments were closed");
    let run = |arguments: &[&str]| printed(&witgate(folder.path(), arguments));
    let usage: Value = serde_json::from_str(&run(&["usage", "--format", "json"])).unwrap();
    assert_eq!(usage["total"]["requests"], 200, "afterwards: {usage}");
    for session in ["s0", "s199"] {
        let found = run(&["receipts", "query", "--session", session, "--since", "1h"]);
        let receipt: Value = serde_json::from_str(found.trim()).expect("one receipt");
        assert_eq!(receipt["session"], session, "{receipt}");
        assert!(receipt.get("chain").is_none(), "as it was: {receipt}");
    }
}
