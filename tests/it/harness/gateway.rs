//! The gateway in this process, on a port of the kernel's choice, with a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use witgate_gateway::keys::NewKey;
use witgate_gateway::{Drained, Server};

use super::{Client, Request, Response, TIMEOUT, within_timeout};

/// A running gateway.
pub struct TestGateway {
    running: Arc<Server>,
    folder: TempDir,
    key: NewKey,
}

/// The receipts in both files of a folder, in the order in which the requests came.
pub fn receipts_in(folder: &Path) -> Vec<Value> {
    let mut receipts: Vec<Value> = ["receipts.jsonl", "receipts-refused.jsonl"]
        .iter()
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap_or_default())
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| serde_json::from_str(&line).expect("a receipt is JSON"))
        .collect();
    receipts.sort_by_key(|receipt| receipt["started_unix_ms"].as_u64());
    receipts
}

// === impl TestGateway ===

impl TestGateway {
    pub(super) fn new(running: Server, folder: TempDir, key: NewKey) -> Self {
        Self {
            running: Arc::new(running),
            folder,
            key,
        }
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// The virtual key of the test's caller.
    pub fn key(&self) -> &str {
        &self.key.secret
    }

    /// A file of the gateway's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The plugin directory.
    pub fn policies(&self) -> PathBuf {
        self.file("policies")
    }

    /// The gateway itself.
    pub fn running(&self) -> &Arc<Server> {
        &self.running
    }

    /// A new connection.
    pub async fn client(&self) -> Client {
        Client::connect(self.address()).await
    }

    /// A Messages request with the caller's key.
    pub fn messages(&self, body: &Value) -> Request {
        self.keyed(Request::messages(body))
    }

    /// The request with the caller's key.
    pub fn keyed(&self, request: Request) -> Request {
        request.set_header("x-api-key", self.key())
    }

    /// Asks on a connection of its own, and waits until the gateway has ended it: the exchange has then ended too, with its
    /// counts and holds settled and its receipt queued.
    pub async fn ask(&self, request: &Request) -> Response {
        let mut client = self.client().await;
        let response = client.ask(request).await;
        client.finish().await;
        response
    }

    /// A page of the admin listener.
    pub async fn admin(&self, path: &str) -> Response {
        self.admin_with(&Request::new("GET", path)).await
    }

    /// The answer of the admin listener to any request.
    pub async fn admin_with(&self, request: &Request) -> Response {
        let address = self.running.admin().expect("tests have an admin listener");
        Client::connect(address).await.ask(request).await
    }

    /// Returns a value of the metrics page.
    pub async fn gauge(&self, name: &str) -> u64 {
        let response = self.admin("/metrics").await;
        let page = response.text();
        let is_named = |line: &&str| {
            let rest = line
                .strip_prefix("witgate_")
                .and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with(' '))
        };
        let line = page.lines().find(is_named);
        let line = line.unwrap_or_else(|| panic!("no {name} in:\n{page}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Returns the entry of a plugin on the page of plugins.
    pub async fn plugin_status(&self, name: &str) -> Value {
        let page = self.admin("/plugins").await.json();
        let plugins = page["plugins"].as_array();
        plugins
            .and_then(|plugins| plugins.iter().find(|plugin| plugin["name"] == name))
            .unwrap_or_else(|| panic!("the plugin {name} is on the page: {page}"))
            .clone()
    }

    /// The receipts so far, of both files, in the order in which the requests came.
    pub async fn receipts(&self) -> Vec<Value> {
        within_timeout("the receipts", self.running.flush()).await;
        receipts_in(self.folder.path())
    }

    /// Waits until there are so many receipts: the last ones may be of exchanges that nobody waits for.
    pub async fn receipts_when(&self, count: usize) -> Vec<Value> {
        within_timeout("the receipts of all exchanges", async {
            loop {
                let receipts = self.receipts().await;
                if receipts.len() >= count {
                    return receipts;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await
    }

    /// Waits until the page of metrics has this line.
    pub async fn metric_when(&self, line: &str) {
        within_timeout("a metric", async {
            while !self.admin("/metrics").await.text().contains(line) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// The receipt of the only exchange so far, which has left no hold open.
    pub async fn only_receipt(&self) -> Value {
        let receipts = self.receipts_when(1).await;
        assert_eq!(receipts.len(), 1, "exactly one receipt: {receipts:?}");
        let budgets = self.admin("/budgets").await.json();
        assert_eq!(budgets["open_holds"], 0, "and no open hold: {budgets}");
        receipts.into_iter().next().unwrap()
    }

    /// Does something to the plugin directory and waits until a lineup that shows it serves.
    pub async fn change_policies(&self, change: impl FnOnce(&Path)) {
        let before = self.running.policies().generation();
        change(&self.policies());
        let running = Arc::clone(&self.running);
        let seen = tokio::task::spawn_blocking(move || {
            running
                .policies()
                .wait(TIMEOUT, |progress| progress.generation > before)
        });
        seen.await.unwrap().expect("the change is live in time");
    }

    /// Does something to the plugin directory that leaves the lineup as it is, and waits until it has been looked at.
    pub async fn change_policies_in_vain(&self, change: impl FnOnce(&Path)) {
        let before = self.running.policies().progress();
        change(&self.policies());
        let running = Arc::clone(&self.running);
        let seen = tokio::task::spawn_blocking(move || {
            running
                .policies()
                .wait(TIMEOUT, |progress| progress.scans > before.scans)
        });
        let after = seen
            .await
            .unwrap()
            .expect("the change is looked at in time");
        assert_eq!(
            after.generation, before.generation,
            "the lineup stays as it was"
        );
    }

    /// Stops it as SIGTERM does.
    pub async fn drain(self) -> (Drained, TempDir) {
        let running = Arc::into_inner(self.running).expect("nobody else holds the gateway");
        (
            within_timeout("the drain", running.drain()).await,
            self.folder,
        )
    }
}
