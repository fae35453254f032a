//! The gateway as a process of its own, for what only processes can do: take over from one another, and be killed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use witgate_gateway::keys::NewKey;

use super::{Client, GatewayBuilder, Request, Response, within_timeout};

/// A folder with a configuration, for any number of processes one after the other.
pub struct Installation {
    folder: TempDir,
    key: NewKey,
}

/// A process that serves. It is killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    log: watch::Receiver<String>,
}

// === impl Installation ===

impl Installation {
    pub fn new(builder: &GatewayBuilder) -> Self {
        let (folder, key) = builder.lay_out();
        Self { folder, key }
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A Messages request with the caller's key.
    pub fn messages(&self, body: &Value) -> Request {
        Request::messages(body).set_header("x-api-key", &self.key.secret)
    }

    /// Starts a process that opens its own sockets.
    pub async fn start(&self) -> Process {
        Process::serving(self.spawn(&["--config", "witgate.toml"])).await
    }

    /// Starts a process with these variables in its environment.
    pub async fn start_with(&self, variables: &[(&str, &str)]) -> Process {
        let child = self
            .command(&["--config", "witgate.toml"])
            .envs(variables.iter().copied())
            .spawn();
        Process::serving(child.unwrap()).await
    }

    /// Starts a process that ignores a signal.
    pub async fn start_ignoring(&self, signal: &str) -> Process {
        let script = format!("trap '' {signal}; exec \"$0\" run --config witgate.toml");
        let child = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(binary())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Process::serving(child).await
    }

    /// Starts one that takes over from the one that runs.
    pub async fn upgrade(&self) -> Process {
        Process::serving(self.spawn(&["--config", "witgate.toml", "--upgrade"])).await
    }

    /// Starts one that is to take over, and does not wait for it.
    pub fn begin_upgrade(&self) -> Child {
        self.spawn(&["--config", "witgate.toml", "--upgrade"])
    }

    /// Starts one that is to take over with another configuration, and can't. Gives its exit status and what it said.
    pub async fn upgrade_in_vain(&self, config: &str) -> (ExitStatus, String) {
        let child = self.spawn(&["--config", config, "--upgrade"]);
        let output = within_timeout("a process to give up", child.wait_with_output());
        let output = output.await.unwrap();
        (
            output.status,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .arg("run")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The receipts that are in the files, in the order in which the requests came.
    pub fn receipts(&self) -> Vec<Value> {
        super::receipts_in(self.folder.path())
    }

    /// The spools that processes have left or still write.
    pub fn spools(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains(".handover-"))
            .collect()
    }
}

/// The program, which cargo puts beside the folder of this test's own.
pub fn binary() -> PathBuf {
    if let Some(binary) = std::env::var_os("WITGATE_BINARY") {
        return binary.into();
    }
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("witgate");
    assert!(
        binary.exists(),
        "{} is built with the whole workspace: cargo build",
        binary.display()
    );
    binary
}

// === impl Process ===

impl Process {
    /// Waits until it serves.
    async fn serving(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (told, mut log) = watch::channel(String::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                told.send_modify(|log| *log += &(line + "\n"));
            }
        });
        let line = wait_line(&mut log, " serving ").await;
        let after = |name: &str| -> SocketAddr {
            let start = line.find(name).expect("both addresses") + name.len();
            let address = line[start..].split([' ', ')', '\n']).next().unwrap();
            address.parse().unwrap()
        };
        Self {
            address: after("address="),
            admin: after("admin="),
            child,
            log,
        }
    }

    /// The most memory that it has had in use, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.expect("Linux tells it").parse::<u64>().unwrap() * 1024
    }

    /// A new connection.
    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A page of the admin listener.
    pub async fn admin(&self, path: &str) -> Response {
        Client::connect(self.admin)
            .await
            .ask(&Request::new("GET", path))
            .await
    }

    /// The accounts and holds, once they look as they should.
    pub async fn budgets_when(&self, what: &str, looks: impl Fn(&Value) -> bool) -> Value {
        within_timeout(what, async {
            loop {
                let budgets = self.admin("/budgets").await.json();
                if looks(&budgets) {
                    return budgets;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Waits for a line of its log that contains `text`, and gives it.
    pub async fn says(&self, text: &str) -> String {
        wait_line(&mut self.log.clone(), text).await
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal.
    pub async fn signal(&self, signal: &str) {
        kill(self.id(), signal).await;
    }

    /// Kills it, as the system does when memory is short.
    pub async fn die(mut self) {
        self.child.kill().await.unwrap();
    }

    async fn whole_log(&mut self) -> String {
        // The reader sees the end of the pipe and lets go of the log.
        while within_timeout("the end of the log", self.log.changed())
            .await
            .is_ok()
        {}
        self.log.borrow().clone()
    }

    /// Waits until it ends by itself, and gives its log.
    pub async fn ended(mut self) -> String {
        let status = within_timeout("a process to end", self.child.wait())
            .await
            .unwrap();
        let log = self.whole_log().await;
        assert!(status.success(), "{status}:\n{log}");
        log
    }
}

/// Sends a signal to a process.
pub(super) async fn kill(id: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &id.to_string()])
        .status()
        .await
        .unwrap();
    assert!(sent.success(), "{signal} was sent");
}

async fn wait_line(log: &mut watch::Receiver<String>, text: &str) -> String {
    let shows = log.wait_for(|log| log.contains(text));
    let found = match within_timeout(text, shows).await {
        Ok(log) => log
            .lines()
            .find(|line| line.contains(text))
            .map(str::to_owned),
        Err(_) => None,
    };
    found.unwrap_or_else(|| panic!("it ended without saying `{text}`:\n{}", *log.borrow()))
}
