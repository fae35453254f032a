//! `entra`: the way to be let in by Microsoft Foundry. Secrets and files are read when they are needed.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;

use super::base_url::BaseUrl;

/// The way to be let in by Microsoft Foundry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraConfig {
    /// Places to look into.
    pub source: EntraSource,
    /// Tenant, or `None` for the environment's.
    pub tenant: Option<String>,
    /// Client, or `None` for the environment's.
    pub client: Option<String>,
    /// Variable with the client's secret, or `None` for the usual one.
    pub secret_env: Option<String>,
    /// File with the client's secret, which is read in place of a variable.
    pub secret_file: Option<PathBuf>,
    /// File with the workload's own token, or `None` for the environment's.
    pub token_file: Option<PathBuf>,
    /// Host or address of Entra, or `None` for the environment's or Microsoft's public one.
    pub authority: Option<String>,
    /// Address of the machine's metadata service, or `None` for the usual one.
    pub machine_endpoint: Option<BaseUrl>,
    /// PEM file of the CA certificates to trust at Entra, or `None` for the system's.
    pub ca_file: Option<PathBuf>,
}

/// The places in which a way to be let in is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntraSource {
    /// A key of the environment, else a client of the environment, else the machine.
    Chain,
    /// A client's secret.
    Client,
    /// A workload's own token, as Kubernetes writes it to a file.
    Workload,
    /// The machine's managed identity.
    Machine,
}

/// `[upstreams.NAME.entra]` as it is written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct EntraFile {
    source: Option<EntraSource>,
    tenant_id: Option<String>,
    client_id: Option<String>,
    client_secret_env: Option<String>,
    client_secret_file: Option<PathBuf>,
    federated_token_file: Option<PathBuf>,
    authority: Option<String>,
    machine_endpoint: Option<String>,
    ca_file: Option<PathBuf>,
}

/// Returns the resource of the environment.
pub(super) fn resource() -> Option<String> {
    let name = std::env::var("ANTHROPIC_FOUNDRY_RESOURCE").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

// === impl EntraFile ===

impl EntraFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> EntraConfig {
        use EntraSource::{Chain, Client, Machine, Workload};

        let has_secret = self.client_secret_env.is_some() || self.client_secret_file.is_some();
        let source = match self.source {
            Some(source) => source,
            None if has_secret => Client,
            None if self.federated_token_file.is_some() => Workload,
            None => Chain,
        };
        let keys: [(&str, bool, &[EntraSource]); 7] = [
            ("tenant_id", self.tenant_id.is_some(), &[Client, Workload]),
            (
                "client_id",
                self.client_id.is_some(),
                &[Client, Workload, Machine],
            ),
            (
                "client_secret_env",
                self.client_secret_env.is_some(),
                &[Client],
            ),
            (
                "client_secret_file",
                self.client_secret_file.is_some(),
                &[Client],
            ),
            (
                "federated_token_file",
                self.federated_token_file.is_some(),
                &[Workload],
            ),
            ("authority", self.authority.is_some(), &[Client, Workload]),
            (
                "machine_endpoint",
                self.machine_endpoint.is_some(),
                &[Chain, Machine],
            ),
        ];
        for (key, is_set, sources) in keys {
            if is_set && !sources.contains(&source) {
                check.problem(key, format!("is not read with `source = \"{source}\"`"));
            }
        }
        if self.client_secret_env.is_some() && self.client_secret_file.is_some() {
            check.problem(
                "client_secret_env",
                "must not stand beside `client_secret_file`",
            );
        }
        let machine_endpoint = self.machine_endpoint.and_then(|url| {
            let parsed = BaseUrl::parse(&url);
            parsed
                .map_err(|error| check.problem("machine_endpoint", error))
                .ok()
        });
        let mut file = |key, written: Option<PathBuf>| written.map(|path| check.file(key, path));
        EntraConfig {
            source,
            tenant: self.tenant_id,
            client: self.client_id,
            secret_env: self.client_secret_env,
            secret_file: file("client_secret_file", self.client_secret_file),
            token_file: file("federated_token_file", self.federated_token_file),
            authority: self.authority,
            machine_endpoint,
            ca_file: file("ca_file", self.ca_file),
        }
    }
}

// === impl EntraSource ===

impl fmt::Display for EntraSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "chain",
            Self::Client => "client",
            Self::Workload => "workload",
            Self::Machine => "machine",
        })
    }
}
