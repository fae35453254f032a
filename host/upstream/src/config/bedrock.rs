//! The keys of an upstream of `kind = "bedrock"`.

use std::collections::BTreeMap;

use witgate_bedrock::ModelId;
use witgate_bedrock::model::Geography;
use witgate_config_file::Check;
use witgate_dialect::Policy;

use super::base_url::BaseUrl;
use super::dialect::file::{DialectFile, OwnKey};
use super::geography;
use super::keys::{self, KeysConfig};

/// The settings of an upstream that is Amazon Bedrock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BedrockConfig {
    /// Region, which signatures name.
    pub region: String,
    /// Regions that serve a request.
    pub geography: Geography,
    /// Names of the API with the ids that they have here.
    pub models: BTreeMap<String, ModelId>,
    /// Policy for what Bedrock refuses.
    pub policy: Policy,
    /// Source of the keys that requests are signed with, or `None` for an API key.
    pub keys: Option<KeysConfig>,
}

// === impl DialectFile ===

impl DialectFile {
    /// Returns the settings and the address, or `None` if no stand-in can be made for a wrong value.
    pub(super) fn bedrock(
        mut self,
        own_key: OwnKey,
        check: &mut Check<'_>,
    ) -> Option<(BedrockConfig, BaseUrl)> {
        let file = self.aws.take();
        let what = "an API key of Amazon Bedrock: signatures need no API key";
        Self::refuse_both("aws", file.is_some(), own_key, what, check);
        let file = file.unwrap_or_default();
        let (keys, found) = match own_key {
            OwnKey::Configured => (None, keys::region()),
            OwnKey::None => {
                let (keys, region) = file.check(&mut check.table("aws"));
                if let Err(error) = keys.look() {
                    check.problem("aws", error);
                }
                (Some(keys), region)
            }
        };
        let region = region(self.region.clone().or(found), check);
        let usual = || region.as_deref().and_then(endpoint_of);
        let endpoint = self.endpoint(usual, check);
        let geography = match (self.geography, &region) {
            (Some(geography), _) => Some(Geography::from(geography)),
            (None, Some(region)) => geography::of_region(region, check),
            (None, None) => None,
        };
        let models = self.models(ModelId::try_new, check);
        let config = BedrockConfig {
            region: region?,
            geography: geography?,
            models,
            policy: self.policy(),
            keys,
        };
        Some((config, endpoint?))
    }
}

/// Checks the region.
fn region(region: Option<String>, check: &mut Check<'_>) -> Option<String> {
    let Some(region) = region else {
        if !check.has_problem("region") {
            check.problem(
                "region",
                "is missing, and neither AWS_REGION nor the profile has one: set it, for example \"us-east-1\"",
            );
        }
        return None;
    };
    let mut parts = region.split('-');
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase());
    let number = parts.next_back().unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
    if !is_number || parts.clone().count() < 2 || !parts.all(is_word) {
        check.problem(
            "region",
            format!("`{region}` is no region of AWS, such as \"us-east-1\""),
        );
        return None;
    }
    Some(region)
}

/// Returns the address of Bedrock in a region.
fn endpoint_of(region: &str) -> Option<BaseUrl> {
    let domain = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    BaseUrl::parse(&format!("https://bedrock-runtime.{region}.{domain}")).ok()
}
