//! Name servers that fall silent.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;
use witgate_gateway::{Resolved, Resolver};

use crate::harness::{GatewayBuilder, TestGateway, Upstream, within_timeout};
use crate::upstreams::{message, shown};

/// A name server by script. After its last answer it says nothing any more, or says that one again and again.
pub(super) struct Names {
    answers: Mutex<VecDeque<io::Result<Vec<SocketAddr>>>>,
    last: Last,
    asked: watch::Sender<usize>,
}

/// The behaviour after the last answer.
enum Last {
    Silence,
    Again(Vec<SocketAddr>),
}

// === impl Names ===

impl Names {
    /// Creates a resolver that always returns these addresses.
    pub(super) fn always(addresses: &[SocketAddr]) -> Arc<Self> {
        Self::new(VecDeque::new(), Last::Again(addresses.to_vec()))
    }

    /// Creates a resolver that gives these answers and then falls silent.
    fn then_silent(answers: impl IntoIterator<Item = io::Result<Vec<SocketAddr>>>) -> Arc<Self> {
        Self::new(answers.into_iter().collect(), Last::Silence)
    }

    fn new(answers: VecDeque<io::Result<Vec<SocketAddr>>>, last: Last) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers),
            last,
            asked: watch::Sender::new(0),
        })
    }

    fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    async fn asked_when(&self, count: usize) {
        let mut asked = self.asked.subscribe();
        within_timeout("look-ups", asked.wait_for(|asked| *asked >= count))
            .await
            .expect("these names hold their sender");
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Resolved> {
        let next = self.answers.lock().pop_front();
        self.asked.send_modify(|asked| *asked += 1);
        let addresses = match (next, &self.last) {
            (Some(answer), _) => answer?,
            (None, Last::Again(addresses)) => addresses.clone(),
            (None, Last::Silence) => std::future::pending().await,
        };
        Ok(Resolved {
            addresses,
            // Each request finds them out of date.
            fresh_for: Duration::ZERO,
        })
    }
}

/// A gateway whose only upstream is `upstream.test`.
pub(super) async fn gate(names: &Arc<Names>, port: u16, more: &str) -> TestGateway {
    let table = format!(
        "[state]\ndirectory = \"state\"\n\
         [upstreams.only]\nbase_url = \"http://upstream.test:{port}\"\nretry = {{ attempts = 0 }}\n{more}\n"
    );
    let names: Arc<dyn Resolver> = Arc::<Names>::clone(names);
    GatewayBuilder::bare()
        .listen("h2c = true")
        .extra(&table)
        .start_with_resolver(names)
        .await
}

pub(super) async fn ask(gate: &TestGateway) -> u16 {
    let body = json!({"model": "m", "max_tokens": 5, "messages": []});
    gate.ask(&gate.messages(&body)).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_do_not_wait_for_a_name_server_that_has_fallen_silent() {
    let script = [message(), message(), message().then_close(), message()];
    let upstream = Upstream::start(script).await;
    let names = Names::then_silent([Ok(vec![upstream.address()])]);
    // A look-up that is waited for takes longer than the test has patience.
    let gate = gate(
        &names,
        upstream.address().port(),
        "connect_timeout_ms = 100000",
    )
    .await;

    assert_eq!(ask(&gate).await, 200, "the name server still answers");
    names.asked_when(1).await;
    for round in 0..3 {
        let status = ask(&gate).await;
        assert_eq!(
            status, 200,
            "request {round}, on a kept connection or a new one"
        );
    }
    names.asked_when(2).await;
    assert_eq!(
        names.asked(),
        2,
        "one look-up is under way, and no second one beside it"
    );
    let shown = shown(&gate, "only").await;
    let addresses = &shown["addresses"];
    assert!(
        addresses["age_ms"].is_u64(),
        "their age can be seen: {shown}"
    );
    assert_eq!(
        addresses["list"][0]["address"],
        upstream.address().to_string(),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_that_fail_are_counted_and_said_and_the_addresses_stay_in_use() {
    let upstream = Upstream::always(message()).await;
    let names = Names::then_silent([
        Ok(vec![upstream.address()]),
        Err(io::Error::other("the name server is on fire")),
    ]);
    let gate = gate(&names, upstream.address().port(), "").await;
    assert_eq!(ask(&gate).await, 200, "the name server still answers");
    assert_eq!(ask(&gate).await, 200, "served with what is known");
    let shown = within_timeout("the failure to be shown", async {
        loop {
            let shown = shown(&gate, "only").await;
            if shown["addresses"]["failed_lookups"] != 0 {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let addresses = &shown["addresses"];
    assert_eq!(addresses["failed_lookups"], 1, "{shown}");
    assert!(
        addresses["lookup_error"]
            .as_str()
            .is_some_and(|error| error.contains("on fire")),
        "the page says why: {shown}"
    );
    let metrics = gate.admin("/metrics").await;
    for line in [
        "witgate_upstream_failed_lookups_total{upstream=\"only\"} 1",
        "witgate_upstream_addresses{upstream=\"only\"} 1",
        "witgate_upstream_address_age_seconds{upstream=\"only\"}",
    ] {
        assert!(
            metrics.text().contains(line),
            "{line} in {}",
            metrics.text()
        );
    }
    assert_eq!(ask(&gate).await, 200, "and still served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_has_moved_is_found_in_the_request_that_finds_it_gone() {
    let first = Upstream::always(message().then_close()).await;
    let second = Upstream::always(message()).await;
    let names = Names::always(&[second.address()]);
    names.answers.lock().push_back(Ok(vec![first.address()]));
    let gate = gate(&names, first.address().port(), "").await;
    assert_eq!(ask(&gate).await, 200, "by the first");
    // From here on the addresses that are known are wrong, and the look-up behind the scenes has the right one.
    first.die().await;
    assert_eq!(ask(&gate).await, 200, "by the second");
    assert_eq!(second.requests().len(), 1, "at its new address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_look_up_that_hangs_is_given_up_after_the_connect_timeout() {
    let names = Names::then_silent([]);
    let gate = gate(&names, 80, "connect_timeout_ms = 300").await;
    for _ in 0..2 {
        assert_eq!(ask(&gate).await, 502, "no address, no answer");
    }
    assert_eq!(names.asked(), 1, "both waited for the same look-up");
    let receipts = gate.receipts_when(2).await;
    let error = receipts[1]["attempts"]["0"]["error"]
        .as_str()
        .unwrap_or_default();
    assert!(
        error.contains("upstream.test"),
        "the receipt names it: {}",
        receipts[1]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_a_name_server_without_an_address_takes_none_away() {
    let upstream = Upstream::always(message()).await;
    let names = Names::then_silent([Ok(vec![upstream.address()]), Ok(Vec::new())]);
    let gate = gate(&names, upstream.address().port(), "").await;
    assert_eq!(ask(&gate).await, 200, "the name server still answers");
    assert_eq!(ask(&gate).await, 200, "served with what is known");
    names.asked_when(2).await;
    assert_eq!(ask(&gate).await, 200, "also after the empty answer");
}
