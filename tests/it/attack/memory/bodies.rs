//! Bodies: large, packed small, or never finished.

use super::{Scene, body, shed};
use crate::harness::{Answer, Ending, Request, compressed};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_floods_the_memory_is_refused_and_another_tenant_is_served() {
    let scene = Scene::with(
        "memory_bytes = 16777216\nmemory_bytes_per_key = 4194304",
        "",
    )
    .await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = scene.gate.client().await;
        client.send(&scene.asking(MIB)).await;
        scene.upstream.next_request().await;
        held.push(client);
    }
    for _ in 0..8 {
        shed(&scene.gate.ask(&scene.asking(MIB)).await, 429);
    }
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut client = scene.gate.client().await;
        client.send(&scene.others(MIB)).await;
        scene.upstream.next_request().await;
        others.push(client);
    }
    assert!(
        scene.gate.gauge("request_memory_bytes").await > 6 * MIB as u64,
        "all of it is counted"
    );
    scene.pause.resume();
    for client in held.iter_mut().chain(&mut others) {
        assert_eq!(client.receive().await.status, 200, "it is served");
    }
    scene.nothing_is_held().await;
    let served = scene.gate.ask(&scene.asking(MIB)).await.status;
    assert_eq!(served, 200, "its share is free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_bodies_that_unpack_to_large_ones_hold_no_more_than_was_sent() {
    let scene = Scene::with(
        "memory_bytes = 67108864\nmemory_bytes_per_key = 33554432",
        "",
    )
    .await;
    let packed = compressed("gzip", body(8 * MIB).to_string().as_bytes());
    assert!(packed.len() < 64 * 1024, "{} bytes are small", packed.len());
    let asking = scene
        .gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Encoding", "gzip")
        .body(packed.clone());
    // Each needs eight mebibytes while it is looked at, and all of them together far more than there is.
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = scene.gate.client().await;
        client.send(&asking).await;
        let sent = scene.upstream.next_request().await;
        assert_eq!(sent.body, packed, "it goes on as it came");
        clients.push(client);
    }
    let held = scene.gate.gauge("request_memory_bytes").await;
    assert!(held <= 60 * 256 * 1024, "{held} bytes are held by 60");
    scene.pause.resume();
    for client in &mut clients {
        assert_eq!(client.receive().await.status, 200, "it is served");
    }
    scene.nothing_is_held().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_unpacks_to_more_than_there_is_is_refused_on_the_way() {
    let scene = Scene::with("memory_bytes = 8388608\nmemory_bytes_per_key = 4194304", "").await;
    let asking = scene
        .gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Encoding", "gzip")
        .body(compressed("gzip", body(16 * MIB).to_string().as_bytes()));
    let refused = scene.gate.ask(&asking).await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(
        refused.headers.get("x-should-retry"),
        Some("false"),
        "never"
    );
    assert!(
        refused.text().contains("limits.memory_bytes_per_key"),
        "what the operator can do: {}",
        refused.text()
    );
    let mut first = scene.gate.client().await;
    first.send(&scene.asking(100)).await;
    scene.pause.reached().await;
    shed(&scene.gate.ask(&asking).await, 429);
    scene.pause.resume();
    assert_eq!(first.receive().await.status, 200, "the first is served");
    scene.nothing_is_held().await;
    assert_eq!(scene.upstream.requests().len(), 1, "nothing else went on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_announced_and_never_sent_keep_nothing_from_others() {
    let scene = Scene::with(
        "memory_bytes = 16777216\nmemory_bytes_per_key = 8388608",
        "",
    )
    .await;
    let announced = scene
        .gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Length", "4000000")
        .body_unframed("{");
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut client = scene.gate.client().await;
        client.send(&announced).await;
        silent.push(client);
    }
    scene.pause.resume();
    let answer = scene.gate.ask(&scene.asking(MIB)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        scene.gate.ask(&scene.others(MIB)).await.status,
        200,
        "others"
    );
    let held = scene.gate.gauge("request_memory_bytes").await;
    assert!(held <= 20 * 256 * 1024, "{held} bytes for nothing");
    drop(silent);
    scene.nothing_is_held().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_batches_hold_the_share_of_their_key_and_no_more() {
    let state = "[state]\ndirectory = \"state\"\n";
    let limits = "memory_bytes = 33554432\nmemory_bytes_per_key = 12582912";
    let scene = Scene::with(limits, state).await;
    let start = vec![b' '; 3 * MIB];
    let mut unfinished = Vec::new();
    for place in 0..3 {
        let mut client = scene.gate.client().await;
        let batch = scene
            .gate
            .keyed(Request::new("POST", "/v1/messages/batches"))
            .header("Transfer-Encoding", "chunked")
            .body_unframed([b"300000\r\n".as_slice(), &start, b"\r\n"].concat());
        client.send(&batch).await;
        if place < 2 {
            // It is there before the next one asks.
            scene.holds((place + 1) * 4 * MIB as u64).await;
            unfinished.push(client);
        } else {
            shed(&client.receive().await, 429);
        }
    }
    let mut last = scene.gate.client().await;
    let announced = scene
        .gate
        .keyed(Request::new("POST", "/v1/messages/batches"))
        .header("Content-Length", "200000000")
        .body_unframed("");
    last.send(&announced).await;
    let refused = last.receive().await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    scene.pause.resume();
    for _ in 0..5 {
        let served = scene.gate.ask(&scene.others(MIB)).await;
        assert_eq!(served.status, 200, "{}", served.text());
    }
    drop(unfinished);
    scene.nothing_is_held().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_given_back_however_an_exchange_ends() {
    let limits = "memory_bytes = 33554432\nbody_timeout_ms = 200";
    let scene = Scene::with(limits, "").await;
    // A client that leaves while its answer is awaited.
    let mut leaving = scene.gate.client().await;
    leaving.send(&scene.asking(MIB)).await;
    scene.upstream.next_request().await;
    leaving.close();
    scene.nothing_is_held().await;
    // One that leaves in the middle of its body, and one that never comes to its end.
    let cut = scene
        .gate
        .keyed(Request::new("POST", "/v1/messages"))
        .header("Content-Length", "2000000")
        .body_unframed(vec![b' '; MIB]);
    let mut client = scene.gate.client().await;
    client.send(&cut).await;
    client.close();
    let slow = scene.gate.ask(&cut).await;
    assert_eq!(slow.status, 408, "{}", slow.text());
    // Bodies that are no JSON, in no coding that they claim, or too large.
    let claims = [
        Request::new("POST", "/v1/messages").body(vec![b'x'; MIB]),
        Request::new("POST", "/v1/messages")
            .header("Content-Encoding", "br")
            .body(vec![b'x'; MIB]),
        Request::new("POST", "/v1/messages").body(vec![b' '; 40 * MIB]),
    ];
    for request in claims {
        let status = scene.gate.ask(&scene.gate.keyed(request)).await.status;
        assert!((400..500).contains(&status), "{status}");
    }
    scene.nothing_is_held().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_gives_its_memory_back() {
    let cut = Answer::bytes(200, &[], vec![b'x'; MIB]).stop_in_body(1000);
    let upstream = crate::harness::Upstream::always(cut).await;
    let gate = crate::harness::GatewayBuilder::bare()
        .upstream("default", &upstream)
        .start()
        .await;
    let mut client = gate.client().await;
    client.send(&gate.messages(&body(MIB))).await;
    let answer = client.receive().await;
    assert_eq!(answer.ending, Ending::Cut, "it breaks off");
    gate.receipts_when(1).await;
    assert_eq!(
        gate.gauge("request_memory_bytes").await,
        0,
        "nothing is held"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_says_how_much_there_is_and_what_it_refused_for_it() {
    let scene = Scene::with("memory_bytes = 4194304", "").await;
    let of = async |name: &str| scene.gate.gauge(name).await;
    assert_eq!(of("request_memory_limit_bytes").await, 4 << 20, "the limit");
    assert_eq!(
        of("request_memory_limit_bytes_per_key").await,
        2 << 20,
        "a key's"
    );
    let refused = scene.gate.ask(&scene.asking(3 * MIB)).await;
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(
        of("shed_total{kind=\"memory-never\"}").await,
        1,
        "by its kind"
    );
}
