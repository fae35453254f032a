//! The places where AWS's own tools look for keys, in their order.

use witgate_bedrock::credentials::environment::{Environment, Instance};
use witgate_bedrock::credentials::profile::{self, BadProfile};

use super::found::{Access, Found, Place};
use crate::config::{KeysConfig, KeysSource};

/// The environment in words.
const ENVIRONMENT: &str = "the environment";

/// Looks for keys without asking an endpoint. Reads files.
///
/// # Errors
///
/// There are wrong ones, or none where they would be.
pub(super) fn at_hand(config: &KeysConfig) -> Result<Found, String> {
    let environment = config.read_environment();
    match config.source {
        KeysSource::Environment => of_environment(environment?, config),
        KeysSource::Profile => of_profile(config)?.ok_or_else(|| {
            format!(
                "profile `{}` has no keys: add `aws_access_key_id` and `aws_secret_access_key` to it",
                config.profile
            )
        }),
        KeysSource::Container => of_container(environment?).ok_or_else(|| {
            "this is no container with a role: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set"
                .to_owned()
        }),
        KeysSource::Instance => Ok(Found::At(Place::Instance(config.instance_endpoint.clone()))),
        KeysSource::Chain => of_chain(environment?, config),
    }
}

fn of_environment(environment: Environment, config: &KeysConfig) -> Result<Found, String> {
    let found = |access| Found::Access(Access::Aws(access), ENVIRONMENT.to_owned());
    environment.access.map(found).ok_or_else(|| {
        let names = &config.variables;
        format!(
            "the environment variables {} and {} are not set",
            names.id, names.secret
        )
    })
}

fn of_profile(config: &KeysConfig) -> Result<Option<Found>, String> {
    let [credentials, configuration] = config.read_files()?;
    let profile = profile::find(&config.profile, &credentials, &configuration);
    let access = profile.map_err(|error| error.to_string())?.access;
    Ok(access.map(|access| Found::Access(Access::Aws(access), of(config))))
}

/// Returns the profile in words.
fn of(config: &KeysConfig) -> String {
    format!("the profile {}", config.profile)
}

fn of_container(environment: Environment) -> Option<Found> {
    let container = environment.container?;
    Some(Found::At(Place::Container(Box::new(container))))
}

fn of_chain(mut environment: Environment, config: &KeysConfig) -> Result<Found, String> {
    if let Some(access) = environment.access.take() {
        return Ok(Found::Access(Access::Aws(access), ENVIRONMENT.to_owned()));
    }
    let [credentials, configuration] = config.read_files()?;
    match profile::find(&config.profile, &credentials, &configuration) {
        Ok(profile) => {
            if let Some(access) = profile.access {
                return Ok(Found::Access(Access::Aws(access), of(config)));
            }
        }
        // Without any profile nobody meant one.
        Err(BadProfile::Missing { name }) if name == "default" => {}
        Err(error) => return Err(error.to_string()),
    }
    let instance = environment.instance;
    if let Some(found) = of_container(environment) {
        return Ok(found);
    }
    match instance {
        Instance::Allowed => Ok(Found::At(Place::Instance(config.instance_endpoint.clone()))),
        Instance::Forbidden => Err(
            "there are no AWS credentials in the environment, in a profile or in a container, and AWS_EC2_METADATA_DISABLED forbids to ask the instance"
                .to_owned(),
        ),
    }
}

// === impl KeysSource ===

impl KeysSource {
    /// Returns the place in words.
    pub(super) fn place(self) -> &'static str {
        match self {
            Self::Chain => "AWS's chain of sources",
            Self::Environment => "the environment",
            Self::Profile => "the profile",
            Self::Container => "the container's endpoint",
            Self::Instance => "the instance's endpoint",
        }
    }
}

// === impl KeysConfig ===

impl KeysConfig {
    /// Says where keys are at hand, or which endpoint would be asked for them.
    ///
    /// # Errors
    ///
    /// There are wrong ones, or none where they would be.
    pub fn look(&self) -> Result<String, String> {
        Ok(match at_hand(self)? {
            Found::Access(_, origin) => origin,
            Found::At(place) => place.said(),
        })
    }
}
