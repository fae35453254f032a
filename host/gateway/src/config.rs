//! `witgate.toml`: read, checked once, and typed from then on.
//!
//! Each table has a file of its own, with the keys as they are written (`*File`), the value that the gateway works with,
//! and the check that leads from one to the other. The tables of upstreams are in [`witgate_upstream::config`]. Every problem of
//! a file is reported together with the others: unknown keys, wrong values, files that do not exist.

mod admin;
mod batches;
mod budgets;
mod capture;
mod cors;
mod endpoints;
mod keys;
mod ledger;
mod limits;
mod listen;
mod memory;
mod network;
mod plugins;
mod prices;
mod receipts;
mod resources;
mod state;
mod streams;
mod tls;
mod upgrade;
mod usage;
mod warnings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::{Check, Document};
use witgate_runtime::file::Print;
use witgate_upstream::config::{GroupFile, UpstreamFile};

pub use witgate_config_file::Problems;

pub use self::admin::Admin;
pub use self::batches::Batches;
pub use self::budgets::{Budgets, ClientWarnings, SecretSource, Webhook};
pub use self::capture::{CaptureConfig, Content};
pub use self::cors::Cors;
pub use self::endpoints::{Endpoints, Resource};
pub use self::keys::Keys;
pub use self::ledger::Bounds;
pub use self::limits::Limits;
pub use self::listen::{ForwardedHeader, Listen, Proxies, ProxyProtocol};
pub use self::memory::{Memory, Origin};
pub use self::network::Network;
pub use self::plugins::Plugins;
pub use self::prices::{Prices, UpstreamContract};
pub use self::receipts::Receipts;
pub use self::receipts::forget as receipts_forget;
pub(crate) use self::receipts::is_special;
pub use self::receipts::sinks as receipts_sinks;
pub(crate) use self::resources::OTHERS;
pub use self::resources::Resources;
pub use self::state::{OnJournalDamage, OnJournalFailure, State};
pub use self::streams::{ClientGone, Streams};
pub use self::tls::{ClientCertificates, Demand, ListenTls};
pub use self::usage::Usage;
pub use witgate_upstream::config::{
    BaseUrl, BedrockConfig, BreakerPolicy, Choice, Credential, CredentialCommand, CredentialHeader,
    CredentialSource, DialectConfig, FoundryConfig, GroupConfig, HealthPolicy, HttpVersion, Member,
    OnRefused, OwnCredential, ProviderChange, Resilience, RetryPolicy, Scheme, UpstreamConfig,
    UpstreamKind, VertexConfig, VmxHeaders,
};

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// File that it was read from.
    pub path: PathBuf,
    /// State of that file just before it was read, or `None` if the text came from elsewhere.
    pub(crate) print: Option<Print>,
    /// Listener for clients.
    pub listen: Listen,
    /// Listener for operators, or `None` for no admin pages.
    pub admin: Option<Admin>,
    /// Callers that are let in.
    pub keys: Keys,
    /// Plugin directory.
    pub plugins: Plugins,
    /// Upstreams, sorted by name.
    pub upstreams: Vec<UpstreamConfig>,
    /// Groups of upstreams, sorted by name.
    pub groups: Vec<GroupConfig>,
    /// Terms on which resources share the capacity of upstreams.
    pub resources: Resources,
    /// Upstream or group for requests for which no plugin plans a route.
    pub default_upstream: String,
    /// Limits of the client side.
    pub limits: Limits,
    /// Delivery of responses.
    pub streams: Streams,
    /// Number of accounts that budgets keep.
    pub ledger: Bounds,
    /// What is told about limits.
    pub budgets: Budgets,
    /// Times that batches are given.
    pub batches: Batches,
    /// Receipts files.
    pub receipts: Receipts,
    /// Roll-ups of the receipts, or `None` if they are not kept.
    pub usage: Option<Usage>,
    /// Prices.
    pub prices: Prices,
    /// Unix socket on which a new process asks to take over, or `None` if none can.
    pub upgrade: Option<PathBuf>,
    /// Maximum time for running exchanges to finish after SIGTERM.
    pub drain_timeout: Duration,
    /// Directory of what lasts, or `None` if nothing does: then files and batches are not served, and budgets are forgotten.
    pub state: Option<State>,
    /// Endpoints, skills and models that are served besides the API's own.
    pub endpoints: Endpoints,
    /// Origins whose browser apps may send requests.
    pub cors: Cors,
    /// Requests that are recorded, or `None` to record none.
    pub capture: Option<CaptureConfig>,
}

/// A configuration that may have problems, for checks of what it names. A stand-in takes the place of each wrong value, so
/// it must not be served with.
#[derive(Debug)]
pub struct Draft {
    /// The configuration, as far as it could be read.
    pub config: Config,
    /// Every problem of the file.
    pub problems: Problems,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    listen: listen::ListenFile,
    admin: Option<admin::AdminFile>,
    keys: keys::KeysFile,
    plugins: plugins::PluginsFile,
    upstreams: BTreeMap<String, UpstreamFile>,
    #[serde(default)]
    groups: BTreeMap<String, GroupFile>,
    #[serde(default)]
    resources: BTreeMap<String, resources::ResourceTermsFile>,
    default_upstream: Option<String>,
    #[serde(default)]
    limits: limits::LimitsFile,
    #[serde(default)]
    ledger: ledger::LedgerFile,
    #[serde(default)]
    budgets: budgets::BudgetsFile,
    #[serde(default)]
    batches: batches::BatchesFile,
    #[serde(default)]
    receipts: receipts::ReceiptsFile,
    #[serde(default)]
    prices: prices::PricesFile,
    #[serde(default)]
    streams: streams::StreamsFile,
    #[serde(default)]
    upgrade: upgrade::UpgradeFile,
    drain_timeout_ms: Option<u64>,
    #[serde(default)]
    state: state::StateFile,
    #[serde(default)]
    skills: endpoints::SkillsFile,
    #[serde(default)]
    passthrough: endpoints::PassthroughFile,
    #[serde(default)]
    models: endpoints::ModelsFile,
    cors: Option<cors::CorsFile>,
    capture: Option<capture::CaptureFile>,
    usage: Option<usage::UsageFile>,
}

// === impl ConfigFile ===

impl ConfigFile {
    fn check(self, path: &Path, check: &mut Check<'_>) -> Config {
        let keys = self.keys.check(&mut check.table("keys"));
        let machine = Memory::of_machine();
        let limits = self
            .limits
            .check(&keys, machine, &mut check.table("limits"));
        let state = self.state.check(&mut check.table("state"));
        let plugins = self.plugins.check(
            State::code(state.as_ref()),
            machine.origin,
            &mut check.table("plugins"),
        );

        if self.upstreams.is_empty() {
            check.problem(
                "upstreams",
                "must have at least one upstream: [upstreams.default] with a base_url",
            );
        }
        let receipts = self.receipts.check(&mut check.table("receipts"));
        let usage = usage::UsageFile::check(
            self.usage,
            state.as_ref(),
            &receipts,
            &mut check.table("usage"),
        );
        // Names of wrong upstreams count as well, so that nothing that refers to them is reported.
        let names: Vec<_> = self.upstreams.keys().cloned().collect();
        let upstreams = UpstreamConfig::check_all(self.upstreams, &mut check.table("upstreams"));
        let groups = GroupConfig::check_all(self.groups, &names, &mut check.table("groups"));
        let resources = Resources::check(self.resources, &upstreams, &mut check.table("resources"));
        let default_upstream = default_upstream(self.default_upstream, &names, &groups, check);

        Config {
            path: path.to_owned(),
            print: None,
            listen: self.listen.check(&mut check.table("listen")),
            admin: self
                .admin
                .and_then(|admin| admin.check(&mut check.table("admin"))),
            keys,
            plugins,
            upstreams,
            groups,
            resources,
            default_upstream: default_upstream.unwrap_or_default(),
            limits,
            streams: self.streams.check(&mut check.table("streams")),
            ledger: self.ledger.check(&mut check.table("ledger")),
            budgets: self.budgets.check(&mut check.table("budgets")),
            batches: self.batches.check(&mut check.table("batches")),
            receipts,
            usage,
            prices: self.prices.check(&names, &mut check.table("prices")),
            upgrade: self.upgrade.check(&mut check.table("upgrade")),
            drain_timeout: check.millis(
                "drain_timeout_ms",
                self.drain_timeout_ms,
                Duration::from_secs(300),
            ),
            state,
            endpoints: Endpoints::check(&self.passthrough, self.skills, self.models, check),
            cors: self
                .cors
                .map_or(Cors::Off, |cors| cors.check(&mut check.table("cors"))),
            capture: self
                .capture
                .map(|capture| capture.check(&mut check.table("capture"))),
        }
    }
}

fn default_upstream(
    name: Option<String>,
    upstreams: &[String],
    groups: &[GroupConfig],
    check: &mut Check<'_>,
) -> Option<String> {
    let is_known =
        |name: &String| upstreams.contains(name) || groups.iter().any(|group| group.name == *name);
    match (name, upstreams) {
        // Without any upstream, that has been reported.
        (_, []) => None,
        (Some(name), _) if is_known(&name) => Some(name),
        (Some(name), _) => {
            let message = format!("there is no [upstreams.{name}] and no [groups.{name}]");
            check.problem("default_upstream", message);
            None
        }
        (None, [only]) => Some(only.clone()),
        (None, _) => {
            check.problem(
                "upstreams",
                "has several upstreams; choose one with default_upstream = \"NAME\", above the first table",
            );
            None
        }
    }
}

// === impl Draft ===

impl Draft {
    fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(&path.to_string_lossy(), text)?;
        let (file, mut problems) = document.read_known::<ConfigFile>()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let config = file.check(path, &mut Check::new(&document, folder, &mut problems));
        Ok(Self { config, problems })
    }

    /// Returns the configuration if it has no problems.
    ///
    /// # Errors
    ///
    /// Returns every problem.
    pub fn into_result(self) -> Result<Config, Problems> {
        self.problems.into_result().map(|()| self.config)
    }
}

// === impl Config ===

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// Returns every problem of the file, each with its line: the file cannot be read, is not TOML, has unknown keys or
    /// wrong values.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let print = Print::of(path);
        let mut config = Self::draft(path)?.into_result()?;
        config.print = Some(print);
        Ok(config)
    }

    /// Checks a configuration that was read from `path`. Relative paths in it are relative to that file's folder.
    ///
    /// # Errors
    ///
    /// Returns every problem, like [`Config::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        Draft::parse(path, text)?.into_result()
    }

    /// Reads a file despite its problems.
    ///
    /// # Errors
    ///
    /// Returns the problem if the file cannot be read or is not TOML.
    pub fn draft(path: &Path) -> Result<Draft, Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::unreadable(&path.to_string_lossy(), &error))?;
        Draft::parse(path, &text)
    }

    /// Returns the files that a running gateway reads again when they change: the configuration itself, keys, prices,
    /// certificates and credentials. Plugins are watched elsewhere.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let keys = match &self.keys {
            Keys::File(path) => Some(path.as_path()),
            Keys::Open => None,
        };
        let of_upstreams = self.upstreams.iter().flat_map(|upstream| {
            let credential = upstream.credential.as_ref().and_then(Credential::file);
            let pool = upstream.credentials.iter().filter_map(|it| it.own.file());
            let credentials = credential.into_iter().chain(pool);
            credentials.chain(upstream.ca_file.as_deref())
        });
        let tls = self.listen.tls.iter().flat_map(|tls| tls.files());
        let admin_keys = self.admin.as_ref().and_then(|admin| admin.keys.as_deref());
        [
            Some(self.path.as_path()),
            keys,
            admin_keys,
            self.prices.file.as_deref(),
        ]
        .into_iter()
        .flatten()
        .chain(of_upstreams)
        .chain(tls)
    }

    /// Returns the keys that differ in `next` and that only a restart applies.
    #[must_use]
    pub fn needs_restart(&self, next: &Self) -> Vec<&'static str> {
        let address = |config: &Self| config.admin.as_ref().map(|admin| admin.address);
        let changed = [
            ("listen.address", self.listen.address != next.listen.address),
            ("listen.threads", self.listen.threads != next.listen.threads),
            ("admin.address", address(self) != address(next)),
            ("plugins", self.plugins != next.plugins),
            (
                "limits.connections",
                self.limits.connections != next.limits.connections,
            ),
            ("receipts", self.receipts != next.receipts),
            ("upgrade", self.upgrade != next.upgrade),
            ("state", self.state != next.state),
            ("usage", self.usage != next.usage),
        ];
        changed
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| key)
            .collect()
    }
}
