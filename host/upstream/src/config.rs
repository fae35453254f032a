//! The upstreams and groups of a configuration file.

mod base_url;
mod bedrock;
mod breaker;
mod capacity;
mod credential;
mod dialect;
mod entra;
mod foundry;
mod geography;
mod google;
mod group;
mod health;
mod keys;
mod kind;
mod pool;
mod retry;
mod vertex;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

pub use witgate_dialect::OnRefused;

pub use self::base_url::{BaseUrl, Scheme};
pub use self::bedrock::BedrockConfig;
pub use self::breaker::BreakerPolicy;
pub use self::capacity::{CapacityConfig, Others};
pub use self::credential::{
    Credential, CredentialCommand, CredentialHeader, CredentialSource, OwnCredential,
};
pub use self::dialect::{DialectConfig, Identity};
pub use self::entra::{EntraConfig, EntraSource};
pub use self::foundry::FoundryConfig;
pub use self::google::{GoogleConfig, GoogleSource};
pub use self::group::GroupFile;
pub use self::group::{Choice, GroupConfig, Member, ProviderChange};
pub use self::health::HealthPolicy;
pub use self::keys::{KeyVariables, KeysConfig, KeysSource};
pub use self::kind::UpstreamKind;
pub use self::pool::PooledCredential;
pub use self::retry::RetryPolicy;
pub use self::vertex::VertexConfig;

use self::breaker::BreakerFile;
use self::capacity::CapacityFile;
use self::credential::CredentialFile;
use self::dialect::file::{DialectFile, OnUnsupported, OwnKey};
use self::entra::EntraFile;
use self::geography::GeographyFile;
use self::google::GoogleFile;
use self::health::HealthFile;
use self::keys::KeysFile;
use self::pool::PooledFile;
use self::retry::RetryFile;

/// A server that speaks Messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Name in plans, receipts and metrics.
    pub name: String,
    /// Address.
    pub base: BaseUrl,
    /// Credential that the upstream is shown, or `None` if it needs none.
    pub credential: Option<Credential>,
    /// Credentials of the pool; empty for an upstream that has one credential at most.
    pub credentials: Vec<PooledCredential>,
    /// Maximum time to connect, name lookup and TLS included.
    pub connect_timeout: Duration,
    /// Maximum time from the last byte of the request to the head of the response.
    pub head_timeout: Duration,
    /// Maximum time between two reads of the response.
    pub idle_timeout: Duration,
    /// PEM file of the CA certificates to trust, or `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// Name that the certificate must be valid for.
    pub sni: String,
    /// Kind of server.
    pub kind: UpstreamKind,
    /// Settings of a kind with a dialect of its own, or `None` for another kind.
    pub dialect: Option<Box<DialectConfig>>,
    /// Provider that signs the thinking in responses. Signatures are valid for upstreams of the same provider only.
    pub provider: String,
    /// Permission for requests with another provider's signed thinking to come here.
    pub provider_change: ProviderChange,
    /// Treatment of failures.
    pub resilience: Resilience,
    /// Requests and tokens that it takes, or `None` for no limit.
    pub capacity: Option<CapacityConfig>,
    /// Version of HTTP.
    pub http: HttpVersion,
    /// Treatment of headers that are meant for a gateway.
    pub vmx_headers: VmxHeaders,
}

/// The treatment of an upstream that is slow, busy or down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resilience {
    /// Retries.
    pub retry: RetryPolicy,
    /// Circuit breaker, or `None` for none.
    pub breaker: Option<BreakerPolicy>,
    /// Maximum number of requests in flight, or `None` for no limit.
    pub max_in_flight: Option<NonZeroU32>,
    /// Active health checks, or `None` for none.
    pub health: Option<HealthPolicy>,
}

/// The treatment of a caller's `x-vmx-*` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmxHeaders {
    /// Removed: they are meant for this gateway.
    EndHere,
    /// Forwarded, because the upstream is a gateway as well.
    Forwarded,
}

/// The version of HTTP that is spoken with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2; in cleartext with prior knowledge (RFC 9113, section 3.3).
    #[serde(rename = "2")]
    Http2,
    /// HTTP/2 if the server agrees to it during the TLS handshake (ALPN, RFC 7301), else HTTP/1.1.
    #[serde(rename = "auto")]
    Negotiated,
}

/// `[upstreams.NAME]` as it is written.
#[derive(Debug, Deserialize)]
pub struct UpstreamFile {
    base_url: Option<String>,
    credential: Option<CredentialFile>,
    credentials: Option<Vec<PooledFile>>,
    connect_timeout_ms: Option<u64>,
    head_timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
    ca_file: Option<PathBuf>,
    sni: Option<String>,
    kind: Option<UpstreamKind>,
    provider: Option<String>,
    #[serde(default)]
    allow_provider_change: bool,
    retry: Option<RetryFile>,
    breaker: Option<BreakerFile>,
    max_in_flight: Option<NonZeroU32>,
    health: Option<HealthFile>,
    capacity: Option<CapacityFile>,
    http: Option<HttpVersion>,
    #[serde(default)]
    forward_vmx_headers: bool,
    endpoint: Option<String>,
    models: Option<BTreeMap<String, String>>,
    on_unsupported: Option<OnUnsupported>,
    supported: Option<Vec<String>>,
    region: Option<String>,
    geography: Option<GeographyFile>,
    aws: Option<KeysFile>,
    project: Option<String>,
    location: Option<String>,
    google: Option<GoogleFile>,
    resource: Option<String>,
    entra: Option<EntraFile>,
}

// === impl UpstreamConfig ===

impl UpstreamConfig {
    /// Checks the upstreams of a file, and leaves out those that no stand-in can be made for. `check` is the check of
    /// `[upstreams]`.
    pub fn check_all(files: BTreeMap<String, UpstreamFile>, check: &mut Check<'_>) -> Vec<Self> {
        files
            .into_iter()
            .filter_map(|(name, file)| {
                let mut check = check.table(&name);
                file.check(name, &mut check)
            })
            .collect()
    }
}

impl UpstreamConfig {
    /// Returns the configuration of connections to a server that is no upstream: an endpoint that the gateway asks by itself.
    pub fn of_endpoint(base: BaseUrl, timeout: Duration, ca_file: Option<&Path>) -> Self {
        Self {
            name: base.authority(),
            credential: None,
            credentials: Vec::new(),
            connect_timeout: timeout,
            head_timeout: timeout,
            idle_timeout: timeout,
            ca_file: ca_file.map(Path::to_owned),
            sni: base.host.clone(),
            kind: UpstreamKind::Messages,
            dialect: None,
            provider: String::new(),
            provider_change: ProviderChange::Refused,
            resilience: Resilience {
                retry: RetryPolicy::default(),
                breaker: None,
                max_in_flight: None,
                health: None,
            },
            capacity: None,
            http: HttpVersion::of(None, base.scheme),
            vmx_headers: VmxHeaders::EndHere,
            base,
        }
    }
}

// === impl UpstreamFile ===

impl UpstreamFile {
    /// Returns the upstream, or `None` if no stand-in can be made for a wrong value. Every key is checked all the same.
    fn check(self, name: String, check: &mut Check<'_>) -> Option<UpstreamConfig> {
        let kind = self.kind.unwrap_or(UpstreamKind::Anthropic);
        let file = DialectFile {
            endpoint: self.endpoint,
            models: self.models,
            on_unsupported: self.on_unsupported,
            supported: self.supported,
            region: self.region,
            geography: self.geography,
            aws: self.aws,
            project: self.project,
            location: self.location,
            google: self.google,
            resource: self.resource,
            entra: self.entra,
        };
        let own_key = match self.credential {
            Some(_) => OwnKey::Configured,
            None => OwnKey::None,
        };
        let (dialect, base) = dialect::check(file, kind, own_key, check).unzip();
        let base = match kind.cloud() {
            None => base_url(self.base_url.as_deref(), check),
            Some(_) => {
                if self.base_url.is_some() {
                    check.problem(
                        "base_url",
                        format!(
                            "is not read with `kind = \"{}\"`, whose address is known; another one is an `endpoint`",
                            kind.code()
                        ),
                    );
                }
                base
            }
        };
        let resilience = Resilience {
            retry: self
                .retry
                .unwrap_or_default()
                .check(&mut check.table("retry")),
            breaker: self.breaker.map_or_else(
                || Some(BreakerPolicy::default()),
                |breaker| breaker.check(&mut check.table("breaker")),
            ),
            max_in_flight: self.max_in_flight,
            health: self
                .health
                .map(|health| health.check(&mut check.table("health"))),
        };
        let credential = self
            .credential
            .map(|credential| credential.check(kind, &mut check.table("credential")));
        let credentials = self.credentials.map(|credentials| {
            if credential.is_some() || check.has_problem("credential") {
                check.problem(
                    "credentials",
                    "must not stand beside `credential`: make that one an entry with a `name`",
                );
            }
            if let Some(cloud) = kind.cloud() {
                check.problem(
                    "credentials",
                    format!(
                        "is not for {cloud}: make each account an upstream of its own, and a group of them"
                    ),
                );
            }
            pool::check_all(credentials, kind, check)
        });
        let capacity = self
            .capacity
            .map(|capacity| capacity.check(&mut check.table("capacity")));
        let connect_timeout = check.millis(
            "connect_timeout_ms",
            self.connect_timeout_ms,
            Duration::from_secs(5),
        );
        // The clients' own limit: by default they wait ten minutes for a response.
        let head_timeout = check.millis(
            "head_timeout_ms",
            self.head_timeout_ms,
            Duration::from_secs(600),
        );
        let idle_timeout = check.millis(
            "idle_timeout_ms",
            self.idle_timeout_ms,
            Duration::from_secs(300),
        );
        let ca_file = self.ca_file.map(|file| check.file("ca_file", file));
        if self.sni.as_ref().is_some_and(String::is_empty) {
            check.problem(
                "sni",
                "must not be empty, because that would disable verification",
            );
        }
        let base = base?;
        if base.scheme == Scheme::Http && (ca_file.is_some() || self.sni.is_some()) {
            check.problem(
                match kind.cloud() {
                    None => "base_url",
                    Some(_) => "endpoint",
                },
                "must start with https:// if `ca_file` or `sni` is set",
            );
        }
        Some(UpstreamConfig {
            kind,
            dialect: dialect.map(Box::new),
            provider: self.provider.unwrap_or_else(|| kind.provider().into()),
            provider_change: self.allow_provider_change.into(),
            resilience,
            capacity,
            name,
            credential: match credential {
                None => None,
                Some(credential) => Some(credential?),
            },
            credentials: credentials.unwrap_or_default(),
            connect_timeout,
            head_timeout,
            idle_timeout,
            ca_file,
            sni: self
                .sni
                .filter(|sni| !sni.is_empty())
                .unwrap_or_else(|| base.host.clone()),
            http: HttpVersion::of(self.http, base.scheme),
            vmx_headers: self.forward_vmx_headers.into(),
            base,
        })
    }
}

/// Reads the address of a server that speaks Messages.
fn base_url(written: Option<&str>, check: &mut Check<'_>) -> Option<BaseUrl> {
    let Some(url) = written else {
        if !check.has_problem("base_url") {
            check.problem("", "`base_url` is missing");
        }
        return None;
    };
    let parsed = BaseUrl::parse(url);
    parsed
        .map_err(|error| check.problem("base_url", error))
        .ok()
}

// === impl HttpVersion ===

impl HttpVersion {
    /// Returns the version for a scheme. Without TLS nothing can be negotiated.
    fn of(written: Option<Self>, scheme: Scheme) -> Self {
        match (written.unwrap_or(Self::Negotiated), scheme) {
            (Self::Negotiated, Scheme::Http) => Self::Http1,
            (version, _) => version,
        }
    }
}

// === impl VmxHeaders ===

impl From<bool> for VmxHeaders {
    fn from(forward: bool) -> Self {
        if forward {
            Self::Forwarded
        } else {
            Self::EndHere
        }
    }
}
