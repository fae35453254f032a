//! The keys of an upstream of `kind = "foundry"`.

use std::collections::BTreeMap;

use witgate_config_file::Check;
use witgate_dialect::Policy;
use witgate_foundry::{Deployment, Resource};

use super::base_url::BaseUrl;
use super::dialect::file::{DialectFile, OwnKey};
use super::entra::{self, EntraConfig};

/// The settings of an upstream that is Microsoft Foundry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundryConfig {
    /// Resource as errors name it: its name, or the host of an endpoint.
    pub resource: String,
    /// Names of the API with the deployments that they have here.
    pub models: BTreeMap<String, Deployment>,
    /// Policy for what Foundry refuses.
    pub policy: Policy,
    /// Way to be let in, or `None` for a configured credential.
    pub entra: Option<EntraConfig>,
}

// === impl DialectFile ===

impl DialectFile {
    /// Returns the settings and the address, or `None` if no stand-in can be made for a wrong value.
    pub(super) fn foundry(
        mut self,
        own_key: OwnKey,
        check: &mut Check<'_>,
    ) -> Option<(FoundryConfig, BaseUrl)> {
        let file = self.entra.take();
        let what = "a key of the resource, or a token";
        Self::refuse_both("entra", file.is_some(), own_key, what, check);
        let entra = match own_key {
            OwnKey::Configured => None,
            OwnKey::None => {
                let entra = file.unwrap_or_default().check(&mut check.table("entra"));
                if let Err(error) = entra.look() {
                    check.problem("entra", error);
                }
                Some(entra)
            }
        };
        let resource = self.resource.clone().or_else(entra::resource);
        if resource.is_none() && self.endpoint.is_none() && !check.has_problem("resource") {
            check.problem(
                "resource",
                "is missing, and ANTHROPIC_FOUNDRY_RESOURCE is not set: set the name in https://NAME.services.ai.azure.com, or an `endpoint`",
            );
        }
        let resource = match resource.as_deref().map(Resource::try_new) {
            None => None,
            Some(Ok(resource)) => Some(resource),
            Some(Err(error)) => {
                check.problem("resource", error.to_string());
                return None;
            }
        };
        let usual = || BaseUrl::parse(&format!("https://{}", resource.as_ref()?.host())).ok();
        let mut base = self.endpoint(usual, check)?;
        // The portal and Anthropic's SDKs name the address with the part that each path has anyway.
        if let Some(prefix) = base.prefix.strip_suffix("/anthropic") {
            base.prefix = prefix.to_owned();
        }
        let config = FoundryConfig {
            resource: resource.map_or_else(|| base.host.clone(), |it| it.to_string()),
            models: self.models(Deployment::try_new, check),
            policy: self.policy(),
            entra,
        };
        Some((config, base))
    }
}
