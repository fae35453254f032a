//! Names of models on both sides.
//!
//! A name of the API becomes the id of a foundation model by a table ([`TABLE`]), and the id of an inference profile by the
//! operator's choice of a geography. Models from Claude 3.7 on are served through profiles only, so a geography is the
//! usual choice. An operator's own map wins over the table, and what is an id of Bedrock or an ARN already passes.

mod table;

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use table::TABLE;

/// The bytes of an id that are escaped in a path: all but the unreserved ones of RFC 3986, as AWS's SDKs do it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest id that Bedrock accepts (`InvokeModelIdentifier` of its service model).
const MAX_ID: usize = 2048;

/// The regions that serve a request: the prefix of an inference profile's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Geography {
    /// The region that is asked, without a profile.
    Region,
    /// `us.`
    Us,
    /// `eu.`
    Eu,
    /// `jp.`
    Japan,
    /// `au.`
    Australia,
    /// `apac.`, which models up to Claude Sonnet 4 have.
    AsiaPacific,
    /// `us-gov.`
    UsGovernment,
    /// `global.`: any commercial region.
    Global,
}

/// The id of a model, an inference profile or an ARN, as it stands in a path before escaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelId(String);

/// The models that an operator's Bedrock serves.
#[derive(Debug, Clone)]
pub struct Models {
    geography: Geography,
    own: BTreeMap<String, ModelId>,
}

/// The error of a text that is no id. The operator is at fault, or the client if the name is the client's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no id of a Bedrock model: ids have 1 to 2048 letters, digits and -_.:/, and are more than dots"
)]
pub struct BadModelId {
    /// The text.
    pub text: String,
}

/// The error of a name that neither the operator's map nor the table has. The client is at fault, or the operator, who can add
/// the name to the map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` has no id on Bedrock that is known here: ask for a Bedrock id or an ARN, or map the name to one"
)]
pub struct UnknownModel {
    /// The name.
    pub name: String,
}

// === impl Geography ===

impl Geography {
    /// The geographies that have profiles.
    pub const PROFILES: [Self; 7] = [
        Self::Us,
        Self::Eu,
        Self::Japan,
        Self::Australia,
        Self::AsiaPacific,
        Self::UsGovernment,
        Self::Global,
    ];

    /// Returns the prefix of a profile's id.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Region => "",
            Self::Us => "us.",
            Self::Eu => "eu.",
            Self::Japan => "jp.",
            Self::Australia => "au.",
            Self::AsiaPacific => "apac.",
            Self::UsGovernment => "us-gov.",
            Self::Global => "global.",
        }
    }
}

// === impl ModelId ===

impl ModelId {
    /// Checks an id.
    ///
    /// # Errors
    /// [`BadModelId`] for a text that Bedrock would refuse, or that would be another path.
    pub fn try_new(text: &str) -> Result<Self, BadModelId> {
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/')
        };
        let plain =
            text.bytes().all(allowed) && text.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if !plain || text.len() > MAX_ID {
            let text = text.chars().take(100).collect();
            return Err(BadModelId { text });
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id as one segment of a path.
    pub fn segment(&self) -> impl fmt::Display + '_ {
        utf8_percent_encode(&self.0, ESCAPED)
    }

    /// Returns the id of the foundation model, as far as the id says it: counting tokens works by that one only. The model
    /// behind an application's own profile cannot be told, so such an ARN stays.
    pub fn foundation(&self) -> Self {
        let id = match self.0.rsplit_once("/") {
            Some((arn, id)) if is_arn_of_named(arn) => id,
            _ => &self.0,
        };
        let mut prefixes = Geography::PROFILES.into_iter().map(Geography::prefix);
        let bare = prefixes.find_map(|prefix| id.strip_prefix(prefix));
        Self(bare.unwrap_or(id).to_owned())
    }
}

/// Returns true for the part of an ARN before its last `/`, if the id of a model or of AWS's own profile follows.
fn is_arn_of_named(arn: &str) -> bool {
    arn.starts_with("arn:")
        && (arn.ends_with(":inference-profile") || arn.ends_with(":foundation-model"))
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Models ===

impl Models {
    /// Returns the models of the table in this geography, and the operator's own map of names to ids.
    pub fn new(geography: Geography, own: BTreeMap<String, ModelId>) -> Self {
        Self { geography, own }
    }

    /// Returns the id of a model by its name.
    ///
    /// # Errors
    /// [`UnknownModel`] for a name that is neither known nor an id.
    pub fn id(&self, name: &str) -> Result<ModelId, UnknownModel> {
        if let Some(id) = self.own.get(name) {
            return Ok(id.clone());
        }
        let unknown = || UnknownModel {
            name: name.chars().take(100).collect(),
        };
        if is_bedrock(name) {
            return ModelId::try_new(name).map_err(|_| unknown());
        }
        let mut rows = TABLE.iter();
        let (_, id) = rows.find(|(known, _)| *known == name).ok_or_else(unknown)?;
        Ok(ModelId(format!("{}{id}", self.geography.prefix())))
    }
}

/// Returns true for an ARN, and for an id of a model of Anthropic's with or without a geography.
fn is_bedrock(name: &str) -> bool {
    let of_anthropic = |id: &str| id.starts_with("anthropic.");
    let mut prefixes = Geography::PROFILES.into_iter().map(Geography::prefix);
    name.starts_with("arn:")
        || of_anthropic(name)
        || prefixes.any(|prefix| name.strip_prefix(prefix).is_some_and(of_anthropic))
}

#[cfg(test)]
mod tests;
