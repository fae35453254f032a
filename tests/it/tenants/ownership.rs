//! Tenants share one upstream credential, and each sees its own things only.

use serde_json::{Value, json};
use witgate_artifacts::BUDGET;
use witgate_gateway::config::Config;
use witgate_gateway::{Options, Server};

use crate::harness::{
    Caller, Client, FakeOrganization, GatewayBuilder, Request, Response, TestGateway, Upstream,
    within_timeout,
};

const STATE: &str = "[state]\ndirectory = \"state\"\n";

async fn gate() -> (TestGateway, Upstream, Caller, Caller) {
    let upstream = FakeOrganization::default().start().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .extra(STATE)
        .start()
        .await;
    let acme = Caller::first(&gate);
    let bolt = Caller::admit(&gate, "bob", "bolt", "").await;
    (gate, upstream, acme, bolt)
}

/// Uploads a file and gives its id.
async fn file(gate: &TestGateway, caller: &Caller) -> String {
    let request = caller
        .request("POST", "/v1/files")
        .body("--b\r\nfile\r\n--b--");
    id(&gate.ask(&request).await)
}

/// Creates a batch and gives its id.
async fn batch(gate: &TestGateway, caller: &Caller) -> String {
    let body = json!({"requests": [{"custom_id": "a", "params": {"model": "m", "max_tokens": 1, "messages": []}}]});
    id(&gate.ask(&caller.post("/v1/messages/batches", &body)).await)
}

fn id(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["id"].as_str().expect("an id").to_owned()
}

fn is_not_there(response: &Response, what: &str) {
    assert_eq!(response.status, 404, "{what}: {}", response.text());
    let body = response.json();
    assert_eq!(
        (&body["type"], &body["error"]["type"]),
        (&json!("error"), &json!("not_found_error")),
        "{what}: {body}"
    );
}

fn ids(page: &Value) -> Vec<&str> {
    let data = page["data"].as_array().expect("a list");
    data.iter().filter_map(|item| item["id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_tenant_made_is_not_there_for_another() {
    let (gate, upstream, acme, bolt) = gate().await;
    let (file, batch) = (file(&gate, &acme).await, batch(&gate, &acme).await);
    let asked = upstream.requests().len();
    for (method, path) in [
        ("GET", format!("/v1/files/{file}")),
        ("HEAD", format!("/v1/files/{file}")),
        ("GET", format!("/anthropic/files/{file}/content?beta=true")),
        ("DELETE", format!("/v1/files/{file}")),
        ("GET", format!("/v1/messages/batches/{batch}")),
        ("GET", format!("/v1/messages/batches/{batch}/results")),
        ("POST", format!("/v1/messages/batches/{batch}/cancel")),
        ("DELETE", format!("/v1/messages/batches/{batch}")),
        ("GET", format!("/v1/files/{batch}")),
        ("GET", "/v1/files/file_99".to_owned()),
    ] {
        let response = gate.ask(&bolt.request(method, &path)).await;
        if method == "HEAD" {
            assert_eq!(response.status, 404, "{path}");
        } else {
            is_not_there(&response, &format!("{method} {path}"));
        }
    }
    assert_eq!(
        upstream.requests().len(),
        asked,
        "the upstream was not asked"
    );

    let wanted = format!("content of {file}");
    for (method, path, wanted) in [
        ("GET", format!("/v1/files/{file}"), "a.txt"),
        ("GET", format!("/v1/files/{file}/content"), wanted.as_str()),
        ("GET", format!("/v1/messages/batches/{batch}"), &batch),
        (
            "POST",
            format!("/v1/messages/batches/{batch}/cancel"),
            &batch,
        ),
        (
            "GET",
            format!("/v1/messages/batches/{batch}/results"),
            "custom_id",
        ),
    ] {
        let response = gate.ask(&acme.request(method, &path)).await;
        assert_eq!(response.status, 200, "{method} {path}: {}", response.text());
        assert!(response.text().contains(wanted), "{}", response.text());
    }
    let head = gate
        .ask(&acme.request("HEAD", &format!("/v1/files/{file}/content")))
        .await;
    assert_eq!(
        (head.status, head.headers.get("x-kind"), head.body.len()),
        (200, Some("content"), 0),
        "its head alone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_tenant_share_what_they_make() {
    let (gate, _upstream, acme, _) = gate().await;
    let colleague = Caller::admit(&gate, "carol", "acme", "").await;
    let file = file(&gate, &acme).await;
    let path = format!("/v1/files/{file}");
    let response = gate.ask(&colleague.request("GET", &path)).await;
    assert_eq!(response.status, 200, "the same tenant: {}", response.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_is_nobodys() {
    let (gate, upstream, acme, _) = gate().await;
    let path = format!("/v1/files/{}", file(&gate, &acme).await);
    let deleted = gate.ask(&acme.request("DELETE", &path)).await;
    assert_eq!(deleted.json()["type"], "file_deleted", "{}", deleted.text());
    let asked = upstream.requests().len();
    is_not_there(&gate.ask(&acme.request("GET", &path)).await, "deleted");
    assert_eq!(
        upstream.requests().len(),
        asked,
        "the gateway knows it by itself"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_hold_ones_own_and_page_both_ways_over_the_gaps() {
    let (gate, _upstream, acme, bolt) = gate().await;
    let (mut own, mut foreign) = (Vec::new(), Vec::new());
    for number in 0..13 {
        // Runs of several of the other's lie between one's own.
        if number % 4 == 0 || number == 6 {
            own.insert(0, file(&gate, &acme).await);
        } else {
            foreign.insert(0, file(&gate, &bolt).await);
        }
    }
    let page = async |caller: &Caller, query: &str| {
        let response = gate
            .ask(&caller.request("GET", &format!("/v1/files{query}")))
            .await;
        assert_eq!(response.status, 200, "{query}: {}", response.text());
        response.json()
    };

    let whole = page(&acme, "").await;
    assert_eq!(ids(&whole), own, "all of its own, newest first: {whole}");
    assert_eq!(
        (&whole["has_more"], &whole["first_id"], &whole["last_id"]),
        (&json!(false), &json!(own[0]), &json!(own[4])),
        "{whole}"
    );
    let first = page(&acme, "?limit=2").await;
    assert_eq!(
        (ids(&first), &first["has_more"]),
        (vec![own[0].as_str(), &own[1]], &json!(true)),
        "{first}"
    );
    let second = page(&acme, &format!("?limit=2&after_id={}", own[1])).await;
    assert_eq!(
        (ids(&second), &second["has_more"]),
        (vec![own[2].as_str(), &own[3]], &json!(true)),
        "{second}"
    );
    let third = page(&acme, &format!("?after_id={}&limit=2", own[3])).await;
    assert_eq!(
        (ids(&third), &third["has_more"]),
        (vec![own[4].as_str()], &json!(false)),
        "{third}"
    );
    let back = page(&acme, &format!("?limit=2&before_id={}", own[4])).await;
    assert_eq!(
        (ids(&back), &back["has_more"]),
        (vec![own[2].as_str(), &own[3]], &json!(true)),
        "{back}"
    );
    let start = page(&acme, &format!("?limit=2&before_id={}", own[2])).await;
    assert_eq!(
        (ids(&start), &start["has_more"]),
        (vec![own[0].as_str(), &own[1]], &json!(false)),
        "{start}"
    );
    let other = page(&bolt, "?limit=1000").await;
    assert_eq!(ids(&other), foreign, "the other one has the rest: {other}");

    for query in ["?after_id", "?before_id"] {
        let path = format!("/v1/files{query}={}", foreign[0]);
        is_not_there(&gate.ask(&acme.request("GET", &path)).await, &path);
    }
    let wrong = gate.ask(&acme.request("GET", "/v1/files?limit=0")).await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    let batches = gate
        .ask(&acme.request("GET", "/v1/messages/batches"))
        .await
        .json();
    assert_eq!(
        batches,
        json!({"data": [], "has_more": false, "first_id": null, "last_id": null}),
        "no batches yet"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn things_of_others_in_a_body_are_refused_before_anything_is_sent() {
    let (gate, upstream, acme, bolt) = gate().await;
    let file = file(&gate, &acme).await;
    let asked = upstream.requests().len();
    let message = |content: &Value| json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [content]}]});
    let document =
        message(&json!({"type": "document", "source": {"type": "file", "file_id": file}}));
    let contained =
        json!({"model": "m", "max_tokens": 1, "messages": [], "container": "container_acme"});
    let detailed = json!({"model": "m", "max_tokens": 1, "messages": [], "container": {"id": "container_acme", "skills": []}});
    let in_batch = |params: &Value| json!({"requests": [{"custom_id": "a", "params": params}]});
    for (path, body) in [
        ("/v1/messages", &document),
        ("/v1/messages/count_tokens", &document),
        ("/v1/messages", &contained),
        ("/v1/messages", &detailed),
        ("/v1/messages/batches", &in_batch(&document)),
        ("/v1/messages/batches", &in_batch(&detailed)),
    ] {
        is_not_there(
            &gate.ask(&bolt.post(path, body)).await,
            &format!("{path} {body}"),
        );
    }
    let spelled = document
        .to_string()
        .replace("file_id", "f\\u0069le\\u005fid");
    let request = bolt.post("/v1/messages", &json!({})).body(spelled);
    is_not_there(&gate.ask(&request).await, "under an escape spelling");
    assert_eq!(upstream.requests().len(), asked, "nothing was sent");

    let response = gate.ask(&acme.post("/v1/messages", &document)).await;
    assert_eq!(response.status, 200, "its owner may: {}", response.text());
    let own_tool = message(
        &json!({"type": "tool_use", "id": "t", "name": "drive", "input": {"file_id": "1AbC"}}),
    );
    let response = gate.ask(&bolt.post("/v1/messages", &own_tool)).await;
    assert_eq!(
        response.status,
        200,
        "a tool's own ids are not the API's: {}",
        response.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_whom_outlives_a_restart() {
    let (gate, _upstream, acme, bolt) = gate().await;
    let path = format!("/v1/files/{}", file(&gate, &acme).await);
    let (_, folder) = gate.drain().await;
    let config = Config::read(&folder.path().join("witgate.toml")).expect("as before");
    let next = within_timeout("the next start", Server::start(config, Options::default()))
        .await
        .unwrap();
    let ask = async |request: Request| Client::connect(next.address()).await.ask(&request).await;
    let own = ask(acme.request("GET", &path)).await;
    assert_eq!(own.status, 200, "still there for its owner: {}", own.text());
    is_not_there(
        &ask(bolt.request("GET", &path)).await,
        "and for nobody else",
    );
    within_timeout("the drain", next.drain()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_state_directory_files_and_batches_are_404_and_say_what_to_set() {
    let upstream = FakeOrganization::default().start().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let acme = Caller::first(&gate);
    for (method, path) in [
        ("POST", "/v1/files"),
        ("GET", "/v1/files"),
        ("GET", "/v1/messages/batches/x"),
    ] {
        let response = gate.ask(&acme.request(method, path).body("")).await;
        is_not_there(&response, path);
        assert!(response.text().contains("[state]"), "{}", response.text());
    }
    assert!(upstream.requests().is_empty(), "nothing was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_fetched_through_the_gateway() {
    let (gate, _upstream, acme, _) = gate().await;
    let id = batch(&gate, &acme).await;
    let own = json!(format!("/v1/messages/batches/{id}/results"));
    let batch = gate
        .ask(&acme.request("GET", &format!("/v1/messages/batches/{id}")))
        .await
        .json();
    assert_eq!(
        batch["results_url"], own,
        "the client stays with the gateway: {batch}"
    );
    let list = gate
        .ask(&acme.request("GET", "/v1/messages/batches?limit=5"))
        .await
        .json();
    assert_eq!(
        list["data"][0]["results_url"], own,
        "in lists as well: {list}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_endpoint_is_authenticated_budgeted_and_leaves_a_receipt() {
    let sidecar = "[settings]\nfree = []\n[[settings.tiers.pro.limits]]\naccount = \"key\"\nwindow = \"total\"\nrequests = 5\n";
    let upstream = FakeOrganization::with_models(&["claude-a"]).start().await;
    let gate = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, sidecar)
        .upstream("default", &upstream)
        .extra(STATE)
        .extra("[passthrough]\npaths = [\"/v1/agents\"]\n")
        .start()
        .await;
    let acme = Caller::first(&gate);
    file(&gate, &acme).await;
    let paths = [
        "/v1/files",
        "/v1/messages/batches",
        "/v1/models",
        "/v1/agents",
        "/v1/files/file_1",
        "/v1/files/file_1/content",
    ];
    for path in paths {
        let stranger = gate
            .ask(&Request::new("GET", path).header("Host", "x"))
            .await;
        assert_eq!(stranger.status, 401, "{path}: {}", stranger.text());
    }
    let mut refused = 0;
    for path in paths {
        let response = gate.ask(&acme.request("GET", path)).await;
        refused += usize::from(response.status == 429);
    }
    let spent = upstream.requests().len();
    assert_eq!(spent, 5, "no endpoint reaches the upstream past the limit");
    assert!(refused >= 1, "what came after it was refused");
    let receipts = gate.receipts_when(1 + 2 * paths.len()).await;
    let endpoints: Vec<_> = receipts
        .iter()
        .filter_map(|receipt| receipt["endpoint"].as_str())
        .collect();
    for endpoint in [
        "files",
        "batches",
        "models",
        "pass-through",
        "file",
        "file-content",
    ] {
        assert!(endpoints.contains(&endpoint), "{endpoint} in {endpoints:?}");
    }
    let uploads = |receipt: &&Value| receipt["method"] == "POST";
    let upload = receipts.iter().find(uploads).expect("a receipt of it");
    assert_eq!(
        (&upload["endpoint"], &upload["outcome"], &upload["key"]),
        (&json!("files"), &json!("answered"), &json!("alice")),
        "{upload}"
    );
}
