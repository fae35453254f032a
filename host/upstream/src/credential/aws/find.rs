//! The places where AWS's own tools look for keys, in their order.

use std::fmt;

use witgate_bedrock::Access;
use witgate_bedrock::credentials::container::Container;
use witgate_bedrock::credentials::environment::{Environment, Instance};
use witgate_bedrock::credentials::profile::{self, BadProfile};

use crate::config::{BaseUrl, KeysConfig, KeysSource};

/// Keys, or the endpoint that has them.
pub(super) enum Found {
    Access(Access, Origin),
    At(Place),
}

/// An endpoint that has keys.
pub(crate) enum Place {
    Container(Box<Container>),
    Instance(Option<BaseUrl>),
}

/// The place where keys were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Environment,
    Profile(String),
    Container,
    Instance,
}

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
    let found = |access| Found::Access(access, Origin::Environment);
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
    let origin = || Origin::Profile(config.profile.clone());
    Ok(access.map(|access| Found::Access(access, origin())))
}

fn of_container(environment: Environment) -> Option<Found> {
    let container = environment.container?;
    Some(Found::At(Place::Container(Box::new(container))))
}

fn of_chain(mut environment: Environment, config: &KeysConfig) -> Result<Found, String> {
    if let Some(access) = environment.access.take() {
        return Ok(Found::Access(access, Origin::Environment));
    }
    let [credentials, configuration] = config.read_files()?;
    match profile::find(&config.profile, &credentials, &configuration) {
        Ok(profile) => {
            if let Some(access) = profile.access {
                return Ok(Found::Access(
                    access,
                    Origin::Profile(config.profile.clone()),
                ));
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

// === impl Origin ===

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("the environment"),
            Self::Profile(name) => write!(f, "the profile {name}"),
            Self::Container => f.write_str("the container's role"),
            Self::Instance => f.write_str("the instance's role"),
        }
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container(_) => "the container's endpoint, which is asked when the gateway runs",
            Self::Instance(_) => "the instance's endpoint, which is asked when the gateway runs",
        })
    }
}
