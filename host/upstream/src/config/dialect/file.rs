//! The keys of upstreams that speak another dialect than the API's, as they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_dialect::{OnRefused, Policy};

use crate::config::base_url::BaseUrl;
use crate::config::entra::EntraFile;
use crate::config::geography::GeographyFile;
use crate::config::google::GoogleFile;
use crate::config::keys::KeysFile;
use crate::config::kind::UpstreamKind::{self, Bedrock, Foundry, Vertex};

/// The keys of `[upstreams.NAME]` that these kinds alone have.
#[derive(Debug, Default)]
pub(in crate::config) struct DialectFile {
    pub(in crate::config) endpoint: Option<String>,
    pub(in crate::config) models: Option<BTreeMap<String, String>>,
    pub(in crate::config) on_unsupported: Option<OnUnsupported>,
    pub(in crate::config) supported: Option<Vec<String>>,
    pub(in crate::config) region: Option<String>,
    pub(in crate::config) geography: Option<GeographyFile>,
    pub(in crate::config) aws: Option<KeysFile>,
    pub(in crate::config) project: Option<String>,
    pub(in crate::config) location: Option<String>,
    pub(in crate::config) google: Option<GoogleFile>,
    pub(in crate::config) resource: Option<String>,
    pub(in crate::config) entra: Option<EntraFile>,
}

/// `on_unsupported` as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum OnUnsupported {
    Strip,
    Skip,
    Fail,
}

/// The credential that an upstream has in place of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum OwnKey {
    Configured,
    None,
}

// === impl DialectFile ===

impl DialectFile {
    /// Reports each key that belongs to other kinds alone.
    pub(in crate::config) fn refuse(&self, kind: UpstreamKind, check: &mut Check<'_>) {
        let all: &[UpstreamKind] = &[Bedrock, Vertex, Foundry];
        let keys = [
            ("endpoint", self.endpoint.is_some(), all),
            ("models", self.models.is_some(), all),
            ("on_unsupported", self.on_unsupported.is_some(), all),
            ("supported", self.supported.is_some(), all),
            ("region", self.region.is_some(), &[Bedrock]),
            ("geography", self.geography.is_some(), &[Bedrock]),
            ("aws", self.aws.is_some(), &[Bedrock]),
            ("project", self.project.is_some(), &[Vertex]),
            ("location", self.location.is_some(), &[Vertex]),
            ("google", self.google.is_some(), &[Vertex]),
            ("resource", self.resource.is_some(), &[Foundry]),
            ("entra", self.entra.is_some(), &[Foundry]),
        ];
        for (key, is_set, kinds) in keys {
            if is_set && !kinds.contains(&kind) {
                let names: Vec<_> = kinds
                    .iter()
                    .map(|it| format!("\"{}\"", it.code()))
                    .collect();
                check.problem(key, format!("needs `kind = {}`", names.join(" | ")));
            }
        }
    }

    /// Returns the operator's policy.
    pub(in crate::config) fn policy(&self) -> Policy {
        let taken: BTreeSet<_> = self.supported.iter().flatten().cloned().collect();
        Policy {
            on_refused: match self.on_unsupported {
                None | Some(OnUnsupported::Strip) => OnRefused::Strip,
                Some(OnUnsupported::Skip) => OnRefused::Skip,
                Some(OnUnsupported::Fail) => OnRefused::Fail,
            },
            taken,
        }
    }

    /// Reads the operator's names of models. Wrong ones are reported and left out.
    pub(in crate::config) fn models<T, E: Display>(
        &self,
        read: impl Fn(&str) -> Result<T, E>,
        check: &mut Check<'_>,
    ) -> BTreeMap<String, T> {
        let mut models = BTreeMap::new();
        for (name, id) in self.models.iter().flatten() {
            match read(id) {
                Ok(id) => drop(models.insert(name.clone(), id)),
                Err(error) => check.problem("models", format!("`{name}`: {error}")),
            }
        }
        models
    }

    /// Reads the address, or else the usual one.
    pub(in crate::config) fn endpoint(
        &self,
        usual: impl FnOnce() -> Option<BaseUrl>,
        check: &mut Check<'_>,
    ) -> Option<BaseUrl> {
        match &self.endpoint {
            Some(endpoint) => BaseUrl::parse(endpoint)
                .map_err(|error| check.problem("endpoint", error))
                .ok(),
            None => usual(),
        }
    }

    /// Reports an identity beside a credential.
    pub(in crate::config) fn refuse_both(
        key: &str,
        is_set: bool,
        own_key: OwnKey,
        what: &str,
        check: &mut Check<'_>,
    ) {
        let is_set = is_set || check.has_problem(key);
        if own_key == OwnKey::Configured && is_set {
            check.problem(
                key,
                format!("must not stand beside `credential`, which is {what}"),
            );
        }
    }
}
