//! The gateway of the soak: the real binary in a process of its own, whose memory is looked at from outside.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use witgate_artifacts::SHIPPED;
use witgate_gateway::keys::NewKey;

use crate::harness::{Client, Request, TIMEOUT, binary, key_entry};

/// The upstream's time for a head, and between two reads.
pub(super) const STALL: Duration = Duration::from_secs(2);

pub(super) struct Process {
    child: Child,
    folder: TempDir,
    pub(super) address: SocketAddr,
    admin: SocketAddr,
    pub(super) key: String,
}

// === impl Process ===

impl Process {
    /// Starts the binary that was built along with these tests, with the four shipped plugins.
    pub(super) fn start(upstream: SocketAddr, dead: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let policies = folder.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        for artifact in SHIPPED {
            artifact.install(&policies).unwrap();
            let sidecar = format!("{}.toml", artifact.name());
            std::fs::copy(shipped.join(&sidecar), policies.join(&sidecar)).unwrap();
        }
        // One account over everything, so that all that is spent shows in one number.
        write(
            "policies/budget.toml",
            "[grants]\nclock = true\n[settings]\nfree = [\"count-tokens\", \"models\"]\n\
             [[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = 1000000\n",
        );
        let key = NewKey::random();
        write("keys.toml", &key_entry("soak", &key, "pro"));
        write("secret", "upstream-secret");
        let stall = STALL.as_millis();
        let upstreams = [("default", upstream), ("dead", dead)].map(|(name, address)| {
            format!(
                "[upstreams.{name}]\nbase_url = \"http://{address}\"\ncredential = {{ file = \"secret\" }}\n\
                 head_timeout_ms = {stall}\nidle_timeout_ms = {stall}\n"
            )
        });
        write(
            "witgate.toml",
            &format!(
                "default_upstream = \"default\"\n[listen]\naddress = \"127.0.0.1:0\"\nthreads = 2\n\
                 [admin]\naddress = \"127.0.0.1:0\"\n[keys]\nfile = \"keys.toml\"\n\
                 [plugins]\ndirectory = \"policies\"\nrequired = [\"audit\", \"budget\", \"envelope\", \"route\"]\n\
                 [receipts]\nfile = \"receipts.jsonl\"\nrotate_bytes = 68719476736\n{}",
                upstreams.concat()
            ),
        );
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new(binary())
            .arg("run")
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let said = serving(&folder, &mut child);
        let after = |mark: &str| {
            let from = said.find(mark).expect("it says where it serves") + mark.len();
            let text = said[from..]
                .split([' ', ')', '\n'])
                .next()
                .unwrap_or_default();
            text.parse().expect("an address")
        };
        Self {
            address: after("address="),
            admin: after("admin="),
            key: key.secret,
            child,
            folder,
        }
    }

    /// Resident memory in KiB.
    pub(super) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let line = line.expect("a running process").trim();
        line.trim_end_matches(" kB").parse().expect("a number")
    }

    /// The budgets page, once no hold is open.
    pub(super) async fn budgets_at_rest(&self) -> Value {
        let until = Instant::now() + TIMEOUT;
        loop {
            let mut client = Client::connect(self.admin).await;
            let budgets = client.ask(&Request::new("GET", "/budgets")).await.json();
            if budgets["open_holds"] == 0 || Instant::now() > until {
                return budgets;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops it with SIGTERM and gives its receipts.
    pub(super) fn stop(mut self) -> Vec<Value> {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "the signal was sent");
        let until = Instant::now() + TIMEOUT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "it ends in time");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(0), "a clean end");
        crate::harness::receipts_in(self.folder.path())
    }
}

impl Drop for Process {
    /// A soak that failed leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the log of the process once it serves.
fn serving(folder: &TempDir, child: &mut Child) -> String {
    let until = Instant::now() + TIMEOUT;
    loop {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        if let Some(line) = log.lines().find(|line| line.contains("serving ")) {
            return line.to_owned();
        }
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none() && Instant::now() < until,
            "it does not serve:\n{log}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
