//! Credentials of the environment. The variables are those of AWS's SDKs.

use super::container::Container;
use super::{Access, Keys};
use crate::Secret;

/// The error of variables that contradict each other. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the environment has `{there}` without `{missing}`: set both or neither")]
pub struct Half {
    /// The variable that is set.
    pub there: &'static str,
    /// The variable that is missing.
    pub missing: &'static str,
}

/// The settings of the environment. A variable that is set to nothing is not set.
#[derive(Debug, Clone)]
pub struct Environment {
    /// An API key, or else keys.
    pub access: Option<Access>,
    /// The region.
    pub region: Option<String>,
    /// The name of the profile in the shared files.
    pub profile: String,
    /// The path of the credentials file, or `None` for `~/.aws/credentials`.
    pub credentials_file: Option<String>,
    /// The path of the configuration file, or `None` for `~/.aws/config`.
    pub config_file: Option<String>,
    /// The container's endpoint.
    pub container: Option<Container>,
    /// The instance's endpoint may be asked.
    pub instance: Instance,
}

/// The word of the environment about the instance's endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// A question is allowed.
    Allowed,
    /// `AWS_EC2_METADATA_DISABLED` forbids it.
    Forbidden,
}

// === impl Environment ===

impl Environment {
    /// Reads the settings through a function that returns a variable.
    ///
    /// # Errors
    /// [`Half`] for one key without the other.
    pub fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, Half> {
        let get = |name| variable(name).filter(|value| !value.trim().is_empty());
        let disabled = get("AWS_EC2_METADATA_DISABLED");
        let access = match get("AWS_BEARER_TOKEN_BEDROCK") {
            Some(key) => Some(Access::ApiKey(Secret::new(key.trim()))),
            None => keys(&get)?.map(Access::Keys),
        };
        Ok(Self {
            access,
            region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
            profile: get("AWS_PROFILE").unwrap_or_else(|| "default".to_owned()),
            credentials_file: get("AWS_SHARED_CREDENTIALS_FILE"),
            config_file: get("AWS_CONFIG_FILE"),
            container: Container::read(&get),
            instance: match disabled {
                Some(value) if value.eq_ignore_ascii_case("true") => Instance::Forbidden,
                _ => Instance::Allowed,
            },
        })
    }
}

fn keys(get: &impl Fn(&'static str) -> Option<String>) -> Result<Option<Keys>, Half> {
    let (there, missing) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    match (get(there), get(missing)) {
        (Some(id), Some(secret)) => {
            let session = get("AWS_SESSION_TOKEN").map(|token| token.trim().to_owned());
            Ok(Some(Keys::new(id.trim(), secret.trim(), session, None)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(Half { there, missing }),
        (None, Some(_)) => Err(Half {
            there: missing,
            missing: there,
        }),
    }
}
