//! The gateway with a configuration of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use witgate_artifacts::{Artifact, SHIPPED};
use witgate_gateway::keys::NewKey;

use crate::server::{Server, WORKERS, free_address};

/// A configuration of the gateway. All have a key, metering and receipts.
pub(crate) struct Gateway {
    /// The name in the output.
    pub name: String,
    /// The plugins in its directory.
    pub plugins: Vec<Plugin>,
    /// Set if it has a state directory: the journal of the ledger, sums of usage and a cache of compiled plugins.
    pub state: bool,
    /// Number of worker threads.
    pub workers: usize,
    /// Further tables of the configuration.
    pub tables: &'static str,
}

/// A plugin in the directory.
pub(crate) struct Plugin {
    /// The module.
    pub artifact: Artifact,
    /// The name of its file.
    pub name: String,
    /// The text of its sidecar.
    pub sidecar: String,
}

/// Returns the four shipped plugins with their shipped sidecars.
pub(crate) fn four_plugins() -> Vec<Plugin> {
    let shipped = |artifact: Artifact| Plugin::shipped(artifact, artifact.name());
    SHIPPED.map(shipped).into()
}

// === impl Plugin ===

impl Plugin {
    /// Returns a shipped plugin under a name, with its shipped sidecar.
    pub(crate) fn shipped(artifact: Artifact, name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        let sidecar = folder.join(format!("{}.toml", artifact.name()));
        Self {
            artifact,
            name: name.to_owned(),
            sidecar: fs::read_to_string(sidecar).expect("the shipped sidecar"),
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Returns a gateway without plugins and state.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            plugins: Vec::new(),
            state: false,
            workers: WORKERS,
            tables: "",
        }
    }

    /// Returns a gateway with four plugins and state.
    pub(crate) fn everything() -> Self {
        Self {
            plugins: four_plugins(),
            state: true,
            ..Self::new("witgate, everything on")
        }
    }

    /// Starts it. Returns its process, the folder of its files and the key that it lets in.
    pub(crate) fn start(&self, program: &Path, upstream: SocketAddr) -> (Server, TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("policies")).expect("a folder");
        for plugin in &self.plugins {
            let policies = at("policies");
            plugin
                .artifact
                .install_as(&policies, &plugin.name)
                .expect("a copy");
            let sidecar = policies.join(format!("{}.toml", plugin.name));
            fs::write(sidecar, &plugin.sidecar).expect("a file");
        }
        let key = NewKey::random();
        let entry = format!(
            "[[key]]\nid = \"bench\"\nhash = \"{}\"\ntenant = \"t\"\nuser = \"u\"\ntier = \"enterprise\"\n",
            key.hash
        );
        fs::write(at("keys.toml"), entry).expect("a file");
        fs::write(at("secret"), "secret").expect("a file");
        let address = free_address();
        fs::write(at("witgate.toml"), self.config(address, upstream)).expect("a file");
        check(program, folder.path());
        let mut command = Command::new(program);
        command
            .args(["run", "--config", "witgate.toml"])
            .stderr(fs::File::create(at("log")).expect("a file"))
            .current_dir(folder.path());
        let server = Server::program(&mut command, address);
        (server, folder, key.secret)
    }

    fn config(&self, address: SocketAddr, upstream: SocketAddr) -> String {
        let state = if self.state {
            "[state]\ndirectory = \"state\"\n"
        } else {
            ""
        };
        format!(
            "[listen]\naddress = \"{address}\"\nthreads = {}\n[keys]\nfile = \"keys.toml\"\n\
             [plugins]\ndirectory = \"policies\"\n[receipts]\nfile = \"receipts.jsonl\"\n\
             [upstreams.default]\nbase_url = \"http://{upstream}\"\ncredential = {{ file = \"secret\" }}\n{state}{}",
            self.workers, self.tables
        )
    }
}

/// Checks that the gateway takes the configuration and all plugins: one of another contract's version would be left out, and the
/// gateway be measured without it.
fn check(program: &Path, folder: &Path) {
    let mut command = Command::new(program);
    let output = command
        .args(["check", "--config", "witgate.toml"])
        .current_dir(folder)
        .output()
        .expect("the gateway's program");
    assert!(
        output.status.success(),
        "the gateway refuses what is to be measured; build it and this bench from the same tree:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
