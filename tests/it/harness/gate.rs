//! The gateway in this process, on a port of the kernel's choice, with a folder of its own.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use witgate_artifacts::{Artifact, SHIPPED};
use witgate_gateway::config::Config;
use witgate_gateway::keys::NewKey;
use witgate_gateway::{Drained, Options, Resolver, Server};

use super::{Client, Request, Response, TIMEOUT, Upstream, within_timeout};

/// Each request is sent once: a test that is about retries says how many it wants.
const ONE_TRY: &str = "retry = { attempts = 0 }\n";

/// A running gateway.
pub struct TestGateway {
    running: Arc<Server>,
    folder: TempDir,
    key: NewKey,
}

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
}

// === impl GatewayBuilder ===

impl GatewayBuilder {
    /// The four shipped plugins with the sidecars that they ship with.
    pub fn shipped() -> Self {
        let mut plan = Self::bare();
        for artifact in SHIPPED {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../policies")
                .join(artifact.name());
            let sidecar = std::fs::read_to_string(shipped.with_extension("toml")).unwrap();
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

    /// Starts it with name look-ups of the test's own.
    pub async fn start_with_resolver(self, resolver: Arc<dyn Resolver>) -> TestGateway {
        self.start_by(|config| Server::start(config, Options::default().resolver(resolver)))
            .await
    }

    async fn start_by<F>(self, start: impl FnOnce(Config) -> F) -> TestGateway
    where
        F: Future<Output = anyhow::Result<Server>>,
    {
        let (folder, key) = self.lay_out();
        let config = Config::read(&folder.path().join("witgate.toml"))
            .expect("the test's configuration is right");
        let running = within_timeout("the gateway's start", start(config))
            .await
            .unwrap();
        for plugin in running.policies().status() {
            assert_eq!(
                plugin.last_error, None,
                "the test's plugin `{}` is admitted",
                plugin.name
            );
        }
        TestGateway {
            running: Arc::new(running),
            folder,
            key,
        }
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
pub fn granting(sidecar: &str) -> String {
    if sidecar.contains("[grants]") {
        return sidecar.to_owned();
    }
    format!(
        "{sidecar}\n[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\n"
    )
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

    /// Asks on a connection of its own.
    pub async fn ask(&self, request: &Request) -> Response {
        self.client().await.ask(request).await
    }

    /// A page of the admin listener.
    pub async fn admin(&self, path: &str) -> Response {
        let address = self.running.admin().expect("tests have an admin listener");
        Client::connect(address)
            .await
            .ask(&Request::new("GET", path))
            .await
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
