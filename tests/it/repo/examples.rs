//! The examples of embedding run as programs of their own: plugins decide there, and a changed one decides at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use witgate_artifacts::{BUDGET, HOSTILE, ROUTE, SWAP_A, SWAP_B};

use crate::harness::{Client, Request, Response, Upstream, within_timeout};

/// A running example. It is killed when it is dropped.
struct Example {
    folder: TempDir,
    address: SocketAddr,
    _child: Child,
}

// === impl Example ===

impl Example {
    /// Starts the axum server, which says where it listens.
    async fn axum(folder: TempDir) -> Self {
        let mut child = spawn("axum_server", folder.path(), &["127.0.0.1:0".to_owned()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within_timeout("the address", lines.next_line()).await;
        let line = line.unwrap().expect("it says where it listens");
        let address = line.strip_prefix("listening on ").expect("an address");
        Self {
            address: address.parse().unwrap(),
            folder,
            _child: child,
        }
    }

    /// Starts the pingora proxy. It can't tell which port it got, so it is given one that was free a moment ago.
    async fn pingora(folder: TempDir, upstreams: &[(&str, &Upstream)]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut arguments = vec![address.to_string()];
        arguments.extend(
            upstreams
                .iter()
                .map(|(name, upstream)| format!("{name}={}", upstream.address())),
        );
        let child = spawn("pingora_proxy", folder.path(), &arguments);
        within_timeout("the proxy to listen", async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        Self {
            folder,
            address,
            _child: child,
        }
    }

    async fn ask(&self, request: &Request) -> Response {
        Client::connect(self.address).await.ask(request).await
    }

    /// Asks again and again until the answer is as it should be.
    async fn ask_until(
        &self,
        what: &str,
        request: &Request,
        is: impl Fn(&Response) -> bool,
    ) -> Response {
        within_timeout(what, async {
            loop {
                let response = self.ask(request).await;
                if is(&response) {
                    return response;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    fn sidecar(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(format!("{name}.toml")), text).unwrap();
    }
}

fn spawn(name: &str, folder: &Path, arguments: &[String]) -> Child {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is built with the whole workspace: cargo test --workspace --no-run",
        program.display()
    );
    Command::new(program)
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn model(name: &str) -> Request {
    Request::messages(&json!({"model": name, "max_tokens": 5, "messages": []}))
}

/// The sidecar of a shipped plugin, and more settings.
fn shipped(name: &str, more: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../policies")
        .join(format!("{name}.toml"));
    std::fs::read_to_string(file).unwrap() + more
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_decide_in_an_axum_server_and_a_changed_one_at_once() {
    let folder = tempfile::tempdir().unwrap();
    SWAP_A.install_as(folder.path(), "route").unwrap();
    BUDGET.install(folder.path()).unwrap();
    let server = Example::axum(folder).await;
    // No model here has a price.
    let sidecar = shipped("budget", "").replace("unpriced = \"refuse\"", "unpriced = \"pass\"");
    server.sidecar("budget", &sidecar);

    let charged = |response: &Response| response.json()["charges"] != json!([]);
    let response = server.ask_until("a charge", &model("m"), charged).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let decided = response.json();
    assert_eq!(decided["rule"], "a", "the plugin's plan: {decided}");
    assert_eq!(decided["targets"], json!([["default", "a"]]), "{decided}");
    let accounts = decided["charges"].as_array().unwrap().iter();
    let accounts: Vec<_> = accounts.map(|charge| charge[0].clone()).collect();
    assert_eq!(
        accounts,
        ["key:you", "key:you"],
        "the shipped plugin's limits for the tier: {decided}"
    );

    SWAP_B.install_as(server.folder.path(), "route").unwrap();
    let swapped = |response: &Response| response.json()["rule"] == "b";
    server
        .ask_until("the new plugin", &model("m"), swapped)
        .await;

    let blocked = "\n[[settings.rules]]\nname = \"none\"\nwhen = [{ field = \"model\", is = [\"forbidden*\"] }]\nblock = { status = 451, message = \"not this one\" }\n";
    server.sidecar("route", &shipped("route", blocked));
    ROUTE.install(server.folder.path()).unwrap();
    let refused = |response: &Response| response.status == 451;
    let response = server
        .ask_until("a refusal", &model("forbidden-1"), refused)
        .await;
    assert_eq!(
        response.json(),
        json!({"error": "not this one"}),
        "the plugin's words"
    );
    assert_eq!(server.ask(&model("m")).await.status, 200, "others pass");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_and_a_bad_body_are_answered_by_the_axum_server() {
    let folder = tempfile::tempdir().unwrap();
    HOSTILE.install(folder.path()).unwrap();
    let server = Example::axum(folder).await;
    server.sidecar(
        "hostile",
        "[grants]\nheaders = [\"x-hostile\"]\nbody = \"read\"\nmetrics = true\nclock = true\nkv = true\n",
    );
    let hostile = model("m").header("x-hostile", "route:trap");
    let trapped = |response: &Response| response.text().contains("it panicked");
    let response = server.ask_until("a fault", &hostile, trapped).await;
    assert_eq!(response.status, 503, "it fails closed");
    assert!(
        response.text().contains("`hostile`"),
        "the plugin is named: {}",
        response.text()
    );
    assert_eq!(
        server.ask(&model("m")).await.status,
        200,
        "the next request is served"
    );
    let twice = model("m").body(r#"{"model": "m", "mod\u0065l": "n"}"#);
    let response = server.ask(&twice).await;
    assert_eq!(
        response.status, 400,
        "nobody shall read another model than the plugins"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_decide_in_a_pingora_proxy_and_a_changed_one_at_once() {
    let (first, second) = (Upstream::answering().await, Upstream::answering().await);
    let folder = tempfile::tempdir().unwrap();
    SWAP_A.install_as(folder.path(), "envelope").unwrap();
    let upstreams = [("default", &first), ("second", &second)];
    let proxy = Example::pingora(folder, &upstreams).await;

    let response = proxy.ask(&model("m")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.headers.get("x-swap"), Some("a"), "its header");
    assert_eq!(first.requests().len(), 1, "its upstream");

    SWAP_B.install_as(proxy.folder.path(), "envelope").unwrap();
    let swapped = |response: &Response| response.headers.get("x-swap") == Some("b");
    proxy
        .ask_until("the new plugin", &model("m"), swapped)
        .await;
    assert_eq!(second.requests().len(), 0, "nobody has asked for it yet");

    let elsewhere = "\n[[settings.rules]]\nname = \"all\"\nwhen = [{ field = \"endpoint\", is = [\"page\"] }]\ntargets = [{ upstream = \"second\" }]\n";
    proxy.sidecar(
        "route",
        &format!("order = 1\n{}", shipped("route", elsewhere)),
    );
    ROUTE.install(proxy.folder.path()).unwrap();
    within_timeout("the other upstream", async {
        while second.requests().is_empty() {
            proxy.ask(&model("m")).await;
        }
    })
    .await;

    let nowhere = elsewhere.replace("second", "third");
    proxy.sidecar(
        "route",
        &format!("order = 1\n{}", shipped("route", &nowhere)),
    );
    let refused = |response: &Response| response.status == 502;
    proxy
        .ask_until("an unknown upstream", &model("m"), refused)
        .await;

    let blocked = "\n[[settings.rules]]\nname = \"none\"\nwhen = [{ field = \"endpoint\", is = [\"page\"] }]\nblock = { status = 451, message = \"no\" }\n";
    proxy.sidecar(
        "route",
        &format!("order = 1\n{}", shipped("route", blocked)),
    );
    let refused = |response: &Response| response.status == 451;
    proxy.ask_until("a refusal", &model("m"), refused).await;
}

/// Every file of an example, of whatever depth.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_example_is_shorter_than_eighty_lines() {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    sources(&root, &mut found);
    assert!(found.len() > 2, "the examples are there: {found:?}");
    for file in found {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines < 80, "{} has {lines} lines", file.display());
    }
}
