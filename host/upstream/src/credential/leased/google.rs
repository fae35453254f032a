//! The places in which Google's own libraries look for credentials, in their order.

use std::path::Path;

use witgate_vertex::Credentials;

use super::found::{Found, GooglePlace, Place};
use crate::config::{GoogleConfig, GoogleSource};

/// Looks for credentials. Reads files.
///
/// # Errors
///
/// There are wrong ones, or none where they would be.
pub(super) fn at_hand(config: &GoogleConfig) -> Result<Found, String> {
    let (credentials, origin) = find(config)?;
    Ok(Found::At(Place::Google(Box::new(GooglePlace {
        credentials,
        origin,
        ca_file: config.ca_file.clone(),
    }))))
}

fn find(config: &GoogleConfig) -> Result<(Credentials, String), String> {
    let machine = || {
        let credentials = Credentials::machine(config.metadata_host.as_deref());
        (credentials, "the machine's service account".to_owned())
    };
    let named = config.file.as_deref();
    let of_gcloud = || config.gcloud_file.as_deref().filter(|file| file.is_file());
    match config.source {
        GoogleSource::Machine => Ok(machine()),
        GoogleSource::File => read(named.ok_or(
            "there is no file of credentials: set `file`, or GOOGLE_APPLICATION_CREDENTIALS",
        )?),
        GoogleSource::Chain => match named.or_else(of_gcloud) {
            Some(file) => read(file),
            None => Ok(machine()),
        },
    }
}

fn read(file: &Path) -> Result<(Credentials, String), String> {
    let path = file.display();
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{path} cannot be read: {error}"))?;
    let credentials = Credentials::read(&text).map_err(|error| format!("{path}: {error}"))?;
    let what = match &credentials {
        Credentials::ServiceAccount(_) => "the service account's key in",
        Credentials::User(_) => "the user's credentials in",
        Credentials::Federated(_) => "the federated workload of",
        Credentials::Machine(_) => "the machine's service account, by",
    };
    Ok((credentials, format!("{what} {path}")))
}

// === impl GoogleConfig ===

impl GoogleConfig {
    /// Says by what Google would be asked for tokens.
    ///
    /// # Errors
    ///
    /// There are wrong credentials, or none where they would be.
    pub fn look(&self) -> Result<String, String> {
        find(self).map(|(_, origin)| origin)
    }

    /// Returns the project that the credentials belong to, if they name one.
    pub(crate) fn project(&self) -> Option<String> {
        let (credentials, _) = find(self).ok()?;
        credentials.project().map(str::to_owned)
    }
}
