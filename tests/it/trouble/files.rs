//! Files that change in awkward ways, logs that cannot be written, and commands that leave children behind.

mod children;
mod log;
mod reloads;
mod steps;
mod surroundings;
mod usage;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::{Child, Command};
use witgate_gateway::keys::NewKey;

use crate::harness::{Client, GatewayBuilder, Installation, Request, binary, within_timeout};

fn body() -> Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

/// A Messages request with a key.
fn asking(key: &str) -> Request {
    Request::messages(&body()).set_header("x-api-key", key)
}

/// A process whose standard error is whatever the test gives it.
struct Bare {
    child: Child,
    /// The address that clients connect to.
    address: SocketAddr,
    admin: SocketAddr,
}

// === impl Bare ===

impl Bare {
    /// Starts the gateway of an installation.
    async fn start(
        installation: &Installation,
        stderr: Stdio,
    ) -> (Self, Option<tokio::process::ChildStderr>) {
        let mut command = Command::new(binary());
        command.args(["run", "--config", "witgate.toml"]);
        // A line for everything: each request writes many.
        command.env("WITGATE_LOG", "trace").stderr(stderr);
        Self::serving(command.current_dir(installation.file("."))).await
    }

    /// Starts a command and waits until its admin pages say that it serves. Its addresses are those on which the kernel
    /// has it listen, since its log may be read by nobody.
    async fn serving(command: &mut Command) -> (Self, Option<tokio::process::ChildStderr>) {
        let mut child = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stderr = child.stderr.take();
        let id = child.id().expect("it runs");
        let (address, admin) = within_timeout("a process to serve", async {
            loop {
                let all = listening(id);
                for admin in &all {
                    let ready = Client::connect(*admin)
                        .await
                        .ask(&Request::new("GET", "/readyz"))
                        .await;
                    let clients = all.iter().find(|address| *address != admin);
                    if let (200, Some(clients)) = (ready.status, clients) {
                        return (*clients, *admin);
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let bare = Self {
            child,
            address,
            admin,
        };
        (bare, stderr)
    }

    async fn ask(&self, request: &Request) -> u16 {
        Client::connect(self.address)
            .await
            .ask(request)
            .await
            .status
    }

    async fn page(&self, path: &str) -> String {
        let mut client = Client::connect(self.admin).await;
        let page = client.ask(&Request::new("GET", path)).await;
        page.text().to_owned()
    }

    /// The number of log lines that it says it has dropped.
    async fn dropped(&self) -> u64 {
        let page = self.page("/metrics").await;
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix("witgate_log_lines_dropped_total "));
        line.expect("it is counted").parse().unwrap()
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.unwrap().success(), "{signal} was sent");
    }

    /// Stops it as an operator does, and gives its exit code.
    async fn stop(mut self) -> Option<i32> {
        self.signal("-TERM").await;
        let status = within_timeout("the process to end", self.child.wait()).await;
        status.unwrap().code()
    }
}

/// The addresses on which a process listens.
fn listening(id: u32) -> Vec<SocketAddr> {
    let Ok(open) = std::fs::read_dir(format!("/proc/{id}/fd")) else {
        return Vec::new();
    };
    let sockets: BTreeSet<String> = open
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let link = link.to_str()?;
            Some(
                link.strip_prefix("socket:[")?
                    .trim_end_matches(']')
                    .to_owned(),
            )
        })
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).filter_map(|row| {
        let cells: Vec<_> = row.split_whitespace().collect();
        let (_, port) = cells[1].split_once(':')?;
        // State 0A listens.
        let listens = cells[3] == "0A" && sockets.contains(cells[9]);
        listens.then(|| SocketAddr::from(([127, 0, 0, 1], u16::from_str_radix(port, 16).unwrap())))
    });
    rows.collect()
}

/// Waits until a key is answered with a status.
async fn until(address: SocketAddr, key: &NewKey, status: u16) {
    within_timeout(&format!("a {status} for the key"), async {
        while Client::connect(address)
            .await
            .ask(&asking(&key.secret))
            .await
            .status
            != status
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// A gateway without plugins in front of an upstream.
fn installation(upstream: &crate::harness::Upstream) -> Installation {
    Installation::new(&GatewayBuilder::bare().upstream("default", upstream))
}
