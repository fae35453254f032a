//! The places in which Microsoft's libraries and Anthropic's SDKs look for a way into Foundry.

use witgate_dialect::{Lease, Secret};
use witgate_foundry::Entra;
use witgate_foundry::credentials::environment::{Environment, Found as Named};
use witgate_foundry::credentials::{Client, Proof};

use super::found::{Access, EntraPlace, Found, Place};
use crate::config::{EntraConfig, EntraSource};

/// Looks for a key, or a way to tokens. Reads a file with a client's secret.
///
/// # Errors
///
/// There are wrong credentials, or none where they would be.
pub(super) fn at_hand(config: &EntraConfig) -> Result<Found, String> {
    let entra = match config.source {
        EntraSource::Chain => {
            let environment = Environment::read(variable).map_err(|error| error.to_string())?;
            match environment.found {
                Named::Key(key) => {
                    let (name, value) = witgate_foundry::Access::Key(key).header();
                    let lease = Lease::until(None);
                    let access = Access::Header { name, value, lease };
                    let origin = "the environment variable ANTHROPIC_FOUNDRY_API_KEY".to_owned();
                    return Ok(Found::Access(access, origin));
                }
                Named::Client(client) => Entra::Client(client),
                Named::Machine(client) => Entra::Machine(client),
            }
        }
        EntraSource::Client => client(config, Proof::Secret(secret(config)?))?,
        EntraSource::Workload => {
            let file = config.token_file.as_ref();
            let file = file.map(|path| path.display().to_string());
            let file = setting(
                file.as_ref(),
                "federated_token_file",
                "AZURE_FEDERATED_TOKEN_FILE",
            )?;
            client(config, Proof::File(file))?
        }
        EntraSource::Machine => Entra::Machine(config.client.clone()),
    };
    Ok(Found::At(Place::Entra(Box::new(EntraPlace {
        origin: match &entra {
            Entra::Client(client) => client.to_string(),
            Entra::Machine(None) => "the machine's managed identity".to_owned(),
            Entra::Machine(Some(id)) => format!("the machine's managed identity {id}"),
        },
        machine: config.machine_endpoint.clone(),
        ca_file: config.ca_file.clone(),
        entra,
    }))))
}

fn client(config: &EntraConfig, proof: Proof) -> Result<Entra, String> {
    let tenant = setting(config.tenant.as_ref(), "tenant_id", "AZURE_TENANT_ID")?;
    let id = setting(config.client.as_ref(), "client_id", "AZURE_CLIENT_ID")?;
    let authority = config.authority.clone();
    let authority = authority.or_else(|| variable("AZURE_AUTHORITY_HOST"));
    let client = Client::try_new(&tenant, &id, authority.as_deref(), proof);
    client.map(Entra::Client).map_err(|error| error.to_string())
}

/// Reads the client's secret.
fn secret(config: &EntraConfig) -> Result<Secret, String> {
    let (text, place) = match &config.secret_file {
        Some(path) => {
            let place = path.display().to_string();
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| format!("{place} cannot be read: {error}"))?;
            (text, place)
        }
        None => {
            let name = config
                .secret_env
                .as_deref()
                .unwrap_or("AZURE_CLIENT_SECRET");
            let missing = |_| format!("the environment variable {name} is not set");
            let text = std::env::var(name).map_err(missing)?;
            (text, format!("the environment variable {name}"))
        }
    };
    match text.trim() {
        "" => Err(format!("{place} is empty")),
        text => Ok(Secret::new(text)),
    }
}

/// Returns a setting, or else the environment's.
fn setting(written: Option<&String>, key: &str, name: &'static str) -> Result<String, String> {
    let value = written.cloned().or_else(|| variable(name));
    value.ok_or_else(|| format!("there is no `{key}`, and {name} is not set"))
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

// === impl EntraConfig ===

impl EntraConfig {
    /// Says how the gateway would be let in.
    ///
    /// # Errors
    ///
    /// There are wrong credentials, or none where they would be.
    pub fn look(&self) -> Result<String, String> {
        Ok(match at_hand(self)? {
            Found::Access(_, origin) => origin,
            Found::At(place) => place.said(),
        })
    }
}
