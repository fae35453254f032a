//! The set-up of a gateway, written into a folder of its own and started on a port of the kernel's choice.

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use witgate_artifacts::{Artifact, SHIPPED};
use witgate_gateway::config::Config;
use witgate_gateway::keys::NewKey;
use witgate_gateway::{Options, Resolver, Server};

use super::{TestGateway, Upstream, within_timeout};

/// Each request is sent once: a test that is about retries says how many it wants.
const ONE_TRY: &str = "retry = { attempts = 0 }\n";

/// The set-up that a gateway is started with.
pub struct GatewayBuilder {
    plugins: Vec<(String, Artifact)>,
    sidecars: Vec<(String, String)>,
    upstreams: Vec<(String, String)>,
    tier: String,
    listen: String,
    admin: String,
    receipts: String,
    top: String,
    extra: String,
    plugins_are: Plugins,
}

/// The plugins that a gateway is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plugins {
    Admitted,
    PerhapsRefused,
}

// === impl GatewayBuilder ===

impl GatewayBuilder {
    /// The four shipped plugins with the sidecars that they ship with, but that models without a price are served.
    pub fn shipped() -> Self {
        let mut plan = Self::bare();
        for artifact in SHIPPED {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../policies")
                .join(artifact.name());
            let sidecar = std::fs::read_to_string(shipped.with_extension("toml")).unwrap();
            // Tests ask for models that no price file has.
            let sidecar = sidecar.replace("unpriced = \"refuse\"", "unpriced = \"pass\"");
            plan = plan.plugin(artifact.name(), artifact, &sidecar);
        }
        plan
    }

    /// No plugins.
    pub fn bare() -> Self {
        Self {
            plugins: Vec::new(),
            sidecars: Vec::new(),
            upstreams: Vec::new(),
            tier: "pro".into(),
            listen: String::new(),
            admin: String::new(),
            receipts: String::new(),
            top: String::new(),
            extra: String::new(),
            plugins_are: Plugins::Admitted,
        }
    }

    /// Adds a plugin and its sidecar; an earlier one of the same name is replaced.
    pub fn plugin(mut self, name: &str, artifact: Artifact, sidecar: &str) -> Self {
        self.plugins.retain(|(known, _)| known != name);
        self.sidecars.retain(|(known, _)| known != name);
        self.plugins.push((name.into(), artifact));
        self.sidecars.push((name.into(), sidecar.into()));
        self
    }

    /// Adds an upstream; the first one is the default.
    pub fn upstream(self, name: &str, upstream: &Upstream) -> Self {
        self.upstream_at(name, &upstream.url())
    }

    /// Adds an upstream by its URL.
    pub fn upstream_at(mut self, name: &str, url: &str) -> Self {
        self.upstreams.push((name.into(), url.into()));
        self
    }

    /// The tier of the test's key.
    pub fn tier(mut self, tier: &str) -> Self {
        self.tier = tier.into();
        self
    }

    /// Adds keys to the top of the configuration.
    pub fn top(mut self, toml: &str) -> Self {
        self.top += toml;
        self.top.push('\n');
        self
    }

    /// Adds keys to `[listen]`.
    pub fn listen(mut self, toml: &str) -> Self {
        self.listen += toml;
        self.listen.push('\n');
        self
    }

    /// Adds keys to `[admin]`.
    pub fn admin(mut self, toml: &str) -> Self {
        self.admin += toml;
        self.admin.push('\n');
        self
    }

    /// Adds keys to `[receipts]`.
    pub fn receipts(mut self, toml: &str) -> Self {
        self.receipts += toml;
        self.receipts.push('\n');
        self
    }

    /// Adds tables to the configuration.
    pub fn extra(mut self, toml: &str) -> Self {
        self.extra += toml;
        self.extra.push('\n');
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestGateway {
        self.start_by(|config| Server::start(config, Options::default()))
            .await
    }

    /// Starts it although a plugin is refused.
    pub async fn start_with_refused(mut self) -> TestGateway {
        self.plugins_are = Plugins::PerhapsRefused;
        self.start().await
    }

    /// Starts it with name look-ups of the test's own.
    pub async fn start_with_resolver(self, resolver: Arc<dyn Resolver>) -> TestGateway {
        self.start_by(|config| Server::start(config, Options::default().resolver(resolver)))
            .await
    }

    async fn start_by<F>(self, start: impl FnOnce(Config) -> F) -> TestGateway
    where
        F: Future<Output = anyhow::Result<Server>>,
    {
        let must_be_admitted = self.plugins_are == Plugins::Admitted;
        let (folder, key) = self.lay_out();
        let config = Config::read(&folder.path().join("witgate.toml"))
            .expect("the test's configuration is right");
        let running = within_timeout("the gateway's start", Box::pin(start(config)))
            .await
            .unwrap();
        for plugin in running.policies().status() {
            assert!(
                plugin.last_error.is_none() || !must_be_admitted,
                "the test's plugin `{}` is admitted: {:?}",
                plugin.name,
                plugin.last_error
            );
        }
        TestGateway::new(running, folder, key)
    }

    /// Writes everything that a gateway is started with into a folder.
    pub fn lay_out(&self) -> (TempDir, NewKey) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("policies")).unwrap();
        for (name, artifact) in &self.plugins {
            artifact.install_as(&at("policies"), name).unwrap();
        }
        for (name, sidecar) in &self.sidecars {
            let sidecar = granting(sidecar);
            std::fs::write(at("policies").join(format!("{name}.toml")), sidecar).unwrap();
        }

        let key = NewKey::random();
        std::fs::write(at("keys.toml"), key_entry("alice", &key, &self.tier)).unwrap();
        std::fs::write(at("upstream.key"), "upstream-secret\n").unwrap();
        std::fs::write(at("witgate.toml"), self.config()).unwrap();
        (folder, key)
    }

    fn config(&self) -> String {
        let mut text = self.top.clone();
        if let Some((default, _)) = self.upstreams.first() {
            let _ = writeln!(text, "default_upstream = \"{default}\"");
        }
        let _ = writeln!(text, "[listen]\n{}", self.listen);
        let _ = writeln!(
            text,
            "address = \"127.0.0.1:0\"\nthreads = 2\n\n[admin]\n{}address = \"127.0.0.1:0\"\n\n\
             [keys]\nfile = \"keys.toml\"\n\n[receipts]\nfile = \"receipts.jsonl\"\n{}",
            self.admin, self.receipts
        );
        if !self.receipts.contains("refused_per_second") {
            // Tests ask faster than anybody means to.
            text += "refused_per_second = 1000000\n\n";
        }
        if !self.extra.contains("[plugins]") {
            let cache = cache();
            let _ = writeln!(
                text,
                "[plugins]\ndirectory = \"policies\"\ncache = \"{}\"\n",
                cache.display()
            );
        }
        for (name, url) in &self.upstreams {
            let _ = writeln!(
                text,
                "[upstreams.{name}]\nbase_url = \"{url}\"\ncredential = {{ file = \"upstream.key\" }}\n{ONE_TRY}"
            );
        }
        text + &self.extra
    }
}

/// The folder in which all tests keep compiled plugins, so that each start finds what another one compiled. A test of a
/// cold start writes a `[plugins]` of its own.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&folder).unwrap();
        folder
    })
}

/// An entry of a keys file.
pub fn key_entry(id: &str, key: &NewKey, tier: &str) -> String {
    format!(
        "[[key]]\nid = \"{id}\"\nhash = \"{}\"\ntenant = \"acme\"\nuser = \"{id}\"\ntier = \"{tier}\"\n",
        key.hash
    )
}

/// A sidecar that grants everything, unless it has a word on grants itself: most tests are about something else.
fn granting(sidecar: &str) -> String {
    if sidecar.contains("[grants]") {
        return sidecar.to_owned();
    }
    format!(
        "{sidecar}\n[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\n"
    )
}
