//! `aws`: the source of the keys that requests to AWS are signed with. The keys themselves are read when they are needed.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use witgate_bedrock::credentials::environment::Environment;
use witgate_bedrock::credentials::profile;
use witgate_config_file::Check;

use super::base_url::BaseUrl;

/// The variable of an API key.
const API_KEY: &str = "AWS_BEARER_TOKEN_BEDROCK";

/// The source of an account's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysConfig {
    /// Places to look into.
    pub source: KeysSource,
    /// Variables that hold keys.
    pub variables: KeyVariables,
    /// Name of the profile.
    pub profile: String,
    /// Shared files with profiles: credentials, then configuration.
    pub files: [PathBuf; 2],
    /// Address of the instance's endpoint, or `None` for the usual one.
    pub instance_endpoint: Option<BaseUrl>,
}

/// The places in which keys are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeysSource {
    /// All of them, in AWS's own order.
    Chain,
    /// Variables of the environment.
    Environment,
    /// A profile of the shared files.
    Profile,
    /// The endpoint of the container.
    Container,
    /// The endpoint of the instance.
    Instance,
}

/// The names of the variables that hold keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVariables {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// The token of a session.
    pub session: String,
}

/// `[upstreams.NAME.aws]` as it is written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct KeysFile {
    source: Option<KeysSource>,
    access_key_id_env: Option<String>,
    secret_access_key_env: Option<String>,
    session_token_env: Option<String>,
    profile: Option<String>,
    credentials_file: Option<PathBuf>,
    config_file: Option<PathBuf>,
    instance_endpoint: Option<String>,
}

// === impl KeysFile ===

impl KeysFile {
    /// Returns the source, and the region that comes with it if it names one.
    pub(super) fn check(self, check: &mut Check<'_>) -> (KeysConfig, Option<String>) {
        let source = match (self.source, &self.profile, &self.access_key_id_env) {
            (Some(source), ..) => source,
            (None, Some(_), _) => KeysSource::Profile,
            (None, None, Some(_)) => KeysSource::Environment,
            (None, None, None) => KeysSource::Chain,
        };
        let allows =
            |sources: &[KeysSource]| source == KeysSource::Chain || sources.contains(&source);
        for (key, is_set, needed) in [
            (
                "access_key_id_env",
                self.access_key_id_env.is_some(),
                KeysSource::Environment,
            ),
            (
                "secret_access_key_env",
                self.secret_access_key_env.is_some(),
                KeysSource::Environment,
            ),
            (
                "session_token_env",
                self.session_token_env.is_some(),
                KeysSource::Environment,
            ),
            ("profile", self.profile.is_some(), KeysSource::Profile),
            (
                "credentials_file",
                self.credentials_file.is_some(),
                KeysSource::Profile,
            ),
            (
                "config_file",
                self.config_file.is_some(),
                KeysSource::Profile,
            ),
            (
                "instance_endpoint",
                self.instance_endpoint.is_some(),
                KeysSource::Instance,
            ),
        ] {
            if is_set && !allows(&[needed]) {
                check.problem(key, format!("is not read with `source = \"{source}\"`"));
            }
        }
        let environment = Environment::read(variable).ok();
        let environment = environment.as_ref();
        let home = |name: &str| {
            let home = std::env::home_dir().unwrap_or_default();
            home.join(".aws").join(name)
        };
        let mut file = |key, written: Option<PathBuf>, named: Option<&String>, usual| match written
        {
            Some(path) => check.file(key, path),
            None => named.map_or_else(|| home(usual), PathBuf::from),
        };
        let files = [
            file(
                "credentials_file",
                self.credentials_file,
                environment.and_then(|it| it.credentials_file.as_ref()),
                "credentials",
            ),
            file(
                "config_file",
                self.config_file,
                environment.and_then(|it| it.config_file.as_ref()),
                "config",
            ),
        ];
        let profile = self.profile.or_else(|| Some(environment?.profile.clone()));
        let instance_endpoint = self.instance_endpoint.and_then(|url| {
            let parsed = BaseUrl::parse(&url);
            parsed
                .map_err(|error| check.problem("instance_endpoint", error))
                .ok()
        });
        let usual = KeyVariables::default();
        let config = KeysConfig {
            source,
            variables: KeyVariables {
                id: self.access_key_id_env.unwrap_or(usual.id),
                secret: self.secret_access_key_env.unwrap_or(usual.secret),
                session: self.session_token_env.unwrap_or(usual.session),
            },
            profile: profile.unwrap_or_else(|| "default".into()),
            files,
            instance_endpoint,
        };
        let region = environment
            .and_then(|environment| environment.region.clone())
            .or_else(|| config.region_of_profile());
        (config, region)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the region of the environment.
pub(super) fn region() -> Option<String> {
    Environment::read(variable).ok()?.region
}

// === impl KeysConfig ===

impl KeysConfig {
    /// Reads the environment, with the configured names of variables in place of the usual ones.
    ///
    /// # Errors
    ///
    /// It has one half of the keys.
    pub(crate) fn read_environment(&self) -> Result<Environment, String> {
        let usual = KeyVariables::default();
        let names = &self.variables;
        let read = Environment::read(|name| match name {
            _ if name == usual.id => variable(&names.id),
            _ if name == usual.secret => variable(&names.secret),
            _ if name == usual.session => variable(&names.session),
            // Keys that are named come before an API key that is merely there.
            API_KEY if *names != usual => None,
            name => variable(name),
        });
        read.map_err(|half| half.to_string())
    }

    /// Reads the shared files. One that does not exist is empty.
    ///
    /// # Errors
    ///
    /// A file exists and cannot be read.
    pub(crate) fn read_files(&self) -> Result<[String; 2], String> {
        let read = |path: &PathBuf| match std::fs::read_to_string(path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
        };
        let [credentials, config] = &self.files;
        Ok([read(credentials)?, read(config)?])
    }

    fn region_of_profile(&self) -> Option<String> {
        let [credentials, config] = self.read_files().ok()?;
        profile::find(&self.profile, &credentials, &config)
            .ok()?
            .region
    }
}

// === impl KeyVariables ===

impl Default for KeyVariables {
    fn default() -> Self {
        Self {
            id: "AWS_ACCESS_KEY_ID".into(),
            secret: "AWS_SECRET_ACCESS_KEY".into(),
            session: "AWS_SESSION_TOKEN".into(),
        }
    }
}

// === impl KeysSource ===

impl fmt::Display for KeysSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "chain",
            Self::Environment => "environment",
            Self::Profile => "profile",
            Self::Container => "container",
            Self::Instance => "instance",
        })
    }
}
