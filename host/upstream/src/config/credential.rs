//! `credential`: the source of an upstream's credential. The secret itself is read when it is needed, and shown nowhere.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use witgate_config_file::Check;

use super::kind::UpstreamKind;

/// Time for which the output of a command is used if it does not say when it expires, by default.
const REFRESH: Duration = Duration::from_secs(300);

/// The credential that an upstream is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A credential of the gateway, which takes the place of the caller's.
    Own(OwnCredential),
    /// The caller's own `authorization` and `x-api-key`, unchanged. The gateway knows the caller by something else.
    Client,
}

/// A credential of the gateway and the header that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCredential {
    /// Source of the secret.
    pub source: CredentialSource,
    /// Header that carries it.
    pub header: CredentialHeader,
}

/// The source of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// An environment variable.
    Env(String),
    /// A file, without surrounding white space. It is read again when it changes.
    File(PathBuf),
    /// The output of a command, which is run again when that expires.
    Command(CredentialCommand),
}

/// A command that prints a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialCommand {
    /// Program.
    pub program: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Time for which a secret is used if it does not say when it expires.
    pub refresh: Duration,
}

/// The header that carries a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum CredentialHeader {
    /// `x-api-key: SECRET`
    #[serde(rename = "x-api-key")]
    ApiKey,
    /// `Authorization: Bearer SECRET`
    #[serde(rename = "bearer")]
    Bearer,
}

/// A word, of which `"client"` is the only valid one, or a table.
#[derive(Debug)]
pub(super) enum CredentialFile {
    Word(String),
    Table(CredentialTable),
}

#[derive(Debug, Deserialize)]
pub(super) struct CredentialTable {
    pub(super) env: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) command: Option<Vec<String>>,
    pub(super) refresh_ms: Option<u64>,
    pub(super) header: Option<CredentialHeader>,
}

// === impl CredentialFile ===

impl CredentialFile {
    /// Checks the credential, and reads a secret that needs no command.
    pub(super) fn check(self, kind: UpstreamKind, check: &mut Check<'_>) -> Option<Credential> {
        match self {
            Self::Word(word) if word == "client" && kind.cloud().is_some() => {
                check.problem(
                    "",
                    format!(
                        "must be {}: a table with `env`, `file` or `command`",
                        kind.credential()
                    ),
                );
                None
            }
            Self::Word(word) if word == "client" => Some(Credential::Client),
            Self::Word(_) => {
                check.problem(
                    "",
                    "must be \"client\", or a table with `env`, `file` or `command`",
                );
                None
            }
            Self::Table(table) => table.check(kind, check).map(Credential::Own),
        }
    }
}

// Written by hand because an untagged enum would ignore unknown keys, which must be reported.
impl<'de> Deserialize<'de> for CredentialFile {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct WordOrTable;

        impl<'de> Visitor<'de> for WordOrTable {
            type Value = CredentialFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"client\", or a table with `env`, `file` or `command`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(CredentialFile::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                CredentialTable::deserialize(MapAccessDeserializer::new(map))
                    .map(CredentialFile::Table)
            }
        }

        source.deserialize_any(WordOrTable)
    }
}

// === impl CredentialTable ===

impl CredentialTable {
    pub(super) fn check(self, kind: UpstreamKind, check: &mut Check<'_>) -> Option<OwnCredential> {
        let has_command = self.command.is_some() || check.has_problem("command");
        if self.refresh_ms.is_some() && !has_command {
            check.problem(
                "refresh_ms",
                "needs `command`; other credentials are not refreshed by time",
            );
        }
        let refresh = check.millis("refresh_ms", self.refresh_ms, REFRESH);
        let source = match (self.env, self.file, self.command) {
            (Some(name), None, None) => CredentialSource::Env(name),
            (None, Some(path), None) => CredentialSource::File(check.resolve(path)),
            (None, None, Some(words)) => CredentialSource::Command(command(words, refresh, check)?),
            // A key with a wrong value has been reported.
            (None, None, None) if check.has_problem("") => return None,
            _ => {
                check.problem("", "must have exactly one of `env`, `file` and `command`");
                return None;
            }
        };
        let credential = OwnCredential {
            source,
            header: self.header.unwrap_or(match kind {
                UpstreamKind::Anthropic | UpstreamKind::Messages | UpstreamKind::Foundry => {
                    CredentialHeader::ApiKey
                }
                UpstreamKind::Bedrock | UpstreamKind::Vertex => CredentialHeader::Bearer,
            }),
        };
        let bearer_only = matches!(kind, UpstreamKind::Bedrock | UpstreamKind::Vertex);
        if bearer_only && credential.header == CredentialHeader::ApiKey {
            let cloud = kind.cloud().unwrap_or_default();
            check.problem(
                "header",
                format!("must be \"bearer\" for {cloud}, or absent"),
            );
        }
        if let Some(Err(error)) = credential.read() {
            check.problem("", error);
        }
        Some(credential)
    }
}

fn command(
    words: Vec<String>,
    refresh: Duration,
    check: &mut Check<'_>,
) -> Option<CredentialCommand> {
    let mut words = words.into_iter();
    let Some(program) = words.next().filter(|program| !program.is_empty()) else {
        check.problem(
            "command",
            "must name a program and its arguments, such as [\"vault\", \"read\", \"key\"]",
        );
        return None;
    };
    // A program with a slash in it is a path, relative to the configuration like every other one. Any other program is
    // looked up in the PATH.
    let program = if program.contains('/') {
        check.resolve(program).to_string_lossy().into_owned()
    } else {
        program
    };
    Some(CredentialCommand {
        program,
        arguments: words.collect(),
        refresh,
    })
}

// === impl Credential ===

impl Credential {
    /// Returns the file that the credential is read from, or `None` if it comes from elsewhere.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Own(own) => own.file(),
            Self::Client => None,
        }
    }
}

// === impl OwnCredential ===

impl OwnCredential {
    /// Returns the file that the secret is read from, or `None` if it comes from elsewhere.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            CredentialSource::File(path) => Some(path),
            CredentialSource::Env(_) | CredentialSource::Command(_) => None,
        }
    }

    /// Reads the secret. Returns `None` if a command has to be run for it.
    ///
    /// # Errors
    ///
    /// Returns a description of what is missing and where, without the secret.
    pub fn read(&self) -> Option<Result<HeaderValue, String>> {
        let secret = match &self.source {
            CredentialSource::Env(name) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set")),
            CredentialSource::File(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display())),
            CredentialSource::Command(_) => return None,
        };
        Some(secret.and_then(|secret| self.header_value(&secret)))
    }

    /// Returns the header value for a secret, marked as sensitive.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong with the secret and where it came from, without the secret.
    pub fn header_value(&self, secret: &str) -> Result<HeaderValue, String> {
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(format!("{} is empty", self.source));
        }
        let text = match self.header {
            CredentialHeader::ApiKey => secret.to_owned(),
            CredentialHeader::Bearer => format!("Bearer {secret}"),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            format!(
                "{} contains characters that a header can't carry",
                self.source
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

// === impl CredentialSource ===

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "{}", path.display()),
            // The arguments may be secrets.
            Self::Command(command) => write!(f, "the output of {}", command.program),
        }
    }
}
