//! Profiles of the shared files, `~/.aws/credentials` and `~/.aws/config`.

use super::ini::{Section, sections};
use super::{Access, Keys};

pub use super::ini::BadLine;

/// Ways to keys that need requests to other services of AWS, or a program, and are not supported.
const UNSUPPORTED: [&str; 8] = [
    "role_arn",
    "web_identity_token_file",
    "credential_source",
    "source_profile",
    "sso_session",
    "sso_start_url",
    "credential_process",
    "login_session",
];

/// A profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The keys, if the profile has some.
    pub access: Option<Access>,
    /// The region, if the profile has one.
    pub region: Option<String>,
}

/// The error of a profile. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProfile {
    /// A line of a file has another form.
    #[error("{file} cannot be read: {source}")]
    Line {
        /// The file: `the credentials file` or `the configuration file`.
        file: &'static str,
        /// The line.
        source: BadLine,
    },
    /// Neither file has the profile.
    #[error("neither shared file has a profile `{name}`")]
    Missing {
        /// The profile.
        name: String,
    },
    /// The profile gets its keys in a way that is not supported.
    #[error(
        "profile `{name}` has `{setting}`, which is not supported: use a profile with static keys, the role of the container or the instance, or an API key"
    )]
    Unsupported {
        /// The profile.
        name: String,
        /// The setting.
        setting: &'static str,
    },
    /// The profile has one key without the other.
    #[error("profile `{name}` has no `{missing}`")]
    Half {
        /// The profile.
        name: String,
        /// The missing setting.
        missing: &'static str,
    },
}

/// Finds a profile in the texts of both files; a file that does not exist is an empty text. The credentials file wins.
///
/// # Errors
/// [`BadProfile`].
pub fn find(name: &str, credentials: &str, config: &str) -> Result<Profile, BadProfile> {
    let read = |text, file| sections(text).map_err(|source| BadProfile::Line { file, source });
    let credentials = read(credentials, "the credentials file")?;
    let config = read(config, "the configuration file")?;
    let in_credentials = credentials.iter().filter(|section| section.title == name);
    let in_config = config.iter().filter(|section| is_profile(section, name));
    let found: Vec<_> = in_credentials.chain(in_config).collect();
    if found.is_empty() {
        let name = name.to_owned();
        return Err(BadProfile::Missing { name });
    }
    let get = |setting| found.iter().find_map(|section| section.get(setting));
    let unsupported = UNSUPPORTED
        .into_iter()
        .find(|setting| get(setting).is_some());
    let missing = |missing| BadProfile::Half {
        name: name.to_owned(),
        missing,
    };
    let access = match (
        get("aws_access_key_id"),
        get("aws_secret_access_key"),
        unsupported,
    ) {
        // A role is what the operator meant, whose keys these would be asked with.
        (_, _, Some(setting)) => {
            let name = name.to_owned();
            return Err(BadProfile::Unsupported { name, setting });
        }
        (Some(id), Some(secret), None) => {
            let session = get("aws_session_token").map(str::to_owned);
            Some(Access::Keys(Keys::new(id, secret, session, None)))
        }
        (Some(_), None, None) => return Err(missing("aws_secret_access_key")),
        (None, Some(_), None) => return Err(missing("aws_access_key_id")),
        (None, None, None) => None,
    };
    Ok(Profile {
        access,
        region: get("region").map(str::to_owned),
    })
}

/// Returns true for the section of a profile in the configuration file: `[default]`, or `[profile NAME]`.
fn is_profile(section: &Section<'_>, name: &str) -> bool {
    match section.title.split_once(char::is_whitespace) {
        Some(("profile", title)) => title.trim() == name,
        Some(_) => false,
        None => section.title == "default" && name == "default",
    }
}
