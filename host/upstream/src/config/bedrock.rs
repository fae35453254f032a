//! The keys of an upstream of `kind = "bedrock"`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use witgate_bedrock::model::Geography;
use witgate_bedrock::{ModelId, OnRefused};
use witgate_config_file::Check;

use super::base_url::BaseUrl;
use super::keys::{self, KeysConfig, KeysFile};

/// The settings of an upstream that is Amazon Bedrock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BedrockConfig {
    /// Region, which signatures name.
    pub region: String,
    /// Regions that serve a request.
    pub geography: Geography,
    /// Names of the API with the ids that they have here.
    pub models: BTreeMap<String, ModelId>,
    /// Treatment of requests with parts that Bedrock refuses.
    pub on_unsupported: OnRefused,
    /// Betas and members that Bedrock takes by the operator's word.
    pub supported: BTreeSet<String>,
    /// Source of the keys that requests are signed with, or `None` for an API key.
    pub keys: Option<KeysConfig>,
}

/// The keys of `[upstreams.NAME]` that this kind alone has.
#[derive(Debug, Default)]
pub(super) struct BedrockFile {
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) geography: Option<GeographyFile>,
    pub(super) models: Option<BTreeMap<String, String>>,
    pub(super) on_unsupported: Option<OnUnsupported>,
    pub(super) supported: Option<Vec<String>>,
    pub(super) aws: Option<KeysFile>,
}

/// `geography` as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) enum GeographyFile {
    #[serde(rename = "region")]
    Region,
    #[serde(rename = "us")]
    Us,
    #[serde(rename = "eu")]
    Eu,
    #[serde(rename = "jp")]
    Japan,
    #[serde(rename = "au")]
    Australia,
    #[serde(rename = "apac")]
    AsiaPacific,
    #[serde(rename = "us-gov")]
    UsGovernment,
    #[serde(rename = "global")]
    Global,
}

/// `on_unsupported` as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnUnsupported {
    Strip,
    Skip,
    Fail,
}

/// The credential that an upstream has beside its keys for signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApiKey {
    Configured,
    None,
}

// === impl BedrockFile ===

impl BedrockFile {
    /// Reports each key that only this kind has, for an upstream of another one.
    pub(super) fn refuse(&self, check: &mut Check<'_>) {
        let keys = [
            ("region", self.region.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("geography", self.geography.is_some()),
            ("models", self.models.is_some()),
            ("on_unsupported", self.on_unsupported.is_some()),
            ("supported", self.supported.is_some()),
            ("aws", self.aws.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, is_set)| *is_set) {
            check.problem(key, "needs `kind = \"bedrock\"`");
        }
    }

    /// Returns the settings and the address, or `None` if no stand-in can be made for a wrong value.
    pub(super) fn check(
        self,
        api_key: ApiKey,
        check: &mut Check<'_>,
    ) -> Option<(BedrockConfig, BaseUrl)> {
        let has_table = self.aws.is_some() || check.has_problem("aws");
        if api_key == ApiKey::Configured && has_table {
            check.problem(
                "aws",
                "must not stand beside `credential`, which is an API key of Amazon Bedrock: signatures need no API key",
            );
        }
        let file = self.aws.unwrap_or_default();
        let (keys, found) = match api_key {
            ApiKey::Configured => (None, keys::region()),
            ApiKey::None => {
                let (keys, region) = file.check(&mut check.table("aws"));
                if let Err(error) = keys.look() {
                    check.problem("aws", error);
                }
                (Some(keys), region)
            }
        };
        let region = region(self.region.or(found), check);
        let endpoint = match self.endpoint {
            Some(endpoint) => BaseUrl::parse(&endpoint)
                .map_err(|error| check.problem("endpoint", error))
                .ok(),
            None => region.as_deref().and_then(endpoint_of),
        };
        let geography = match (self.geography, &region) {
            (Some(geography), _) => Some(Geography::from(geography)),
            (None, Some(region)) => geography_of(region, check),
            (None, None) => None,
        };
        let mut models = BTreeMap::new();
        for (name, id) in self.models.unwrap_or_default() {
            match ModelId::try_new(&id) {
                Ok(id) => drop(models.insert(name, id)),
                Err(error) => check.problem("models", format!("`{name}`: {error}")),
            }
        }
        let config = BedrockConfig {
            region: region?,
            geography: geography?,
            models,
            on_unsupported: match self.on_unsupported {
                None | Some(OnUnsupported::Strip) => OnRefused::Strip,
                Some(OnUnsupported::Skip) => OnRefused::Skip,
                Some(OnUnsupported::Fail) => OnRefused::Fail,
            },
            supported: self.supported.unwrap_or_default().into_iter().collect(),
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

/// Returns the geography of a region, where there is no choice.
fn geography_of(region: &str, check: &mut Check<'_>) -> Option<Geography> {
    let of = |prefix| region.starts_with(prefix);
    if of("us-gov-") {
        Some(Geography::UsGovernment)
    } else if of("us-") {
        Some(Geography::Us)
    } else if of("eu-") {
        Some(Geography::Eu)
    } else {
        if !check.has_problem("geography") {
            check.problem(
                "geography",
                format!(
                    "is missing, and `{region}` leaves a choice: set \"apac\", \"jp\" or \"au\" for the inference profiles of these regions, \
                     \"global\" for all commercial regions, or \"region\" to use no profile"
                ),
            );
        }
        None
    }
}

// === impl GeographyFile ===

impl From<GeographyFile> for Geography {
    fn from(file: GeographyFile) -> Self {
        match file {
            GeographyFile::Region => Self::Region,
            GeographyFile::Us => Self::Us,
            GeographyFile::Eu => Self::Eu,
            GeographyFile::Japan => Self::Japan,
            GeographyFile::Australia => Self::Australia,
            GeographyFile::AsiaPacific => Self::AsiaPacific,
            GeographyFile::UsGovernment => Self::UsGovernment,
            GeographyFile::Global => Self::Global,
        }
    }
}
