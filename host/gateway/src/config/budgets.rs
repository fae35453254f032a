//! `[budgets]`: what is told about limits before and when they are reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

use crate::outgoing::Place;

/// Marks of a limit that are announced, in percent, by default.
const MARKS: [u8; 3] = [75, 90, 100];

/// Longest text that is added to refusals, in bytes.
const MAX_MESSAGE: usize = 500;

/// Time for one delivery, by default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is told about limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budgets {
    /// Parts of a limit whose crossing is announced, in percent.
    pub warn_at: Vec<u8>,
    /// Text that is added to refusals by a limit.
    pub message: Option<String>,
    /// Rule for the headers by which clients of subscriptions show limits.
    pub client_warnings: ClientWarnings,
    /// Receiver of the announcements, or `None`.
    pub webhook: Option<Webhook>,
}

/// The rule for the headers by which clients of subscriptions show limits, among them Claude Code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientWarnings {
    /// The gateway sets them for limits in dollars, in place of the upstream's.
    Own,
    /// The upstream's pass.
    Upstream,
}

/// A receiver of announcements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// URL, which begins with `https://` unless it is on this machine.
    pub url: String,
    /// Source of the secret that signs announcements.
    pub secret: SecretSource,
    /// Certificates that are trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// File for what could not be delivered.
    pub dead_letters: PathBuf,
    /// Maximum time of one delivery.
    pub timeout: Duration,
}

/// The source of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file, without surrounding white space. It is read for each announcement.
    File(PathBuf),
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct BudgetsFile {
    warn_at: Option<Vec<u8>>,
    message: Option<String>,
    client_warnings: Option<bool>,
    webhook: Option<WebhookFile>,
}

#[derive(Debug, Deserialize)]
struct WebhookFile {
    url: String,
    secret: SecretFile,
    ca_file: Option<PathBuf>,
    dead_letters: PathBuf,
    timeout_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct SecretFile {
    env: Option<String>,
    file: Option<PathBuf>,
}

// === impl BudgetsFile ===

impl BudgetsFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Budgets {
        let mut warn_at = self.warn_at.unwrap_or_else(|| MARKS.to_vec());
        warn_at.sort_unstable();
        warn_at.dedup();
        if warn_at.first() == Some(&0) || warn_at.last().is_some_and(|last| *last > 100) {
            check.problem("warn_at", "must be percentages from 1 to 100");
        }
        let message = self.message.filter(|message| !message.is_empty());
        let unfit =
            |message: &String| message.len() > MAX_MESSAGE || message.chars().any(char::is_control);
        if message.as_ref().is_some_and(unfit) {
            check.problem(
                "message",
                format!("must be a single line of at most {MAX_MESSAGE} bytes"),
            );
        }
        let webhook = self.webhook;
        Budgets {
            warn_at,
            message,
            client_warnings: if self.client_warnings.unwrap_or(true) {
                ClientWarnings::Own
            } else {
                ClientWarnings::Upstream
            },
            webhook: webhook.and_then(|webhook| webhook.check(&mut check.table("webhook"))),
        }
    }
}

// === impl WebhookFile ===

impl WebhookFile {
    fn check(self, check: &mut Check<'_>) -> Option<Webhook> {
        if let Err(wrong) = Place::parse(&self.url) {
            check.problem("url", wrong);
        }
        let source = match (self.secret.env, self.secret.file) {
            (Some(name), None) => SecretSource::Env(name),
            (None, Some(path)) => SecretSource::File(check.resolve(path)),
            _ => {
                check.problem("secret", "must have exactly one of `env` and `file`");
                return None;
            }
        };
        if let Err(wrong) = source.read() {
            check.problem("secret", wrong);
        }
        Some(Webhook {
            url: self.url,
            secret: source,
            ca_file: self.ca_file.map(|file| check.file("ca_file", file)),
            dead_letters: check.resolve(self.dead_letters),
            timeout: check.millis("timeout_ms", self.timeout_ms, TIMEOUT),
        })
    }
}

// === impl SecretSource ===

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// A description of what is wrong, without the secret.
    pub(crate) fn read(&self) -> Result<String, String> {
        let read = match self {
            Self::Env(name) => std::env::var(name).map_err(|error| error.to_string()),
            Self::File(path) => std::fs::read_to_string(path).map_err(|error| error.to_string()),
        };
        let secret = read.map_err(|error| format!("{self} can't be read: {error}"))?;
        let secret = secret.trim();
        if secret.is_empty() {
            return Err(format!("{self} is empty"));
        }
        Ok(secret.to_owned())
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Budgets, Config};

    fn parse(more: &str) -> Result<Budgets, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.toml");
        std::fs::write(folder.path().join("secret"), "s3cr3t\n").unwrap();
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \".\"\n\
             [upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\n{more}"
        );
        Config::parse(Path::new(&path), &text)
            .map(|config| config.budgets)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn marks_are_sorted_and_none_are_none() {
        assert_eq!(parse("").unwrap().warn_at, [75, 90, 100], "the default");
        let set = parse("[budgets]\nwarn_at = [90, 50, 90]\n").unwrap();
        assert_eq!(set.warn_at, [50, 90], "each once");
        let none = parse("[budgets]\nwarn_at = []\n").unwrap();
        assert_eq!(none.warn_at, [0; 0], "none");
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_secret_with_it() {
        let told = parse(
            "[budgets]\nwarn_at = [0, 101]\nmessage = \"a\\nb\"\n[budgets.webhook]\nurl = \"http://hooks.example/a\"\n\
             secret = { file = \"none\" }\ndead_letters = \"dead.jsonl\"\n",
        )
        .unwrap_err();
        for key in [
            "budgets.warn_at",
            "budgets.message",
            "budgets.webhook.url",
            "budgets.webhook.secret",
        ] {
            assert!(told.contains(key), "{key}: {told}");
        }
    }

    #[test]
    fn a_webhook_has_its_secret_in_a_file_or_a_variable() {
        let webhook =
            "[budgets.webhook]\nurl = \"https://hooks.example/a\"\ndead_letters = \"dead.jsonl\"\n";
        let read = parse(&format!("{webhook}secret = {{ file = \"secret\" }}\n")).unwrap();
        let secret = read.webhook.expect("a webhook").secret;
        assert!(!format!("{secret:?}").contains("s3cr3t"), "{secret:?}");
        let told = parse(&format!("{webhook}secret = {{ }}\n")).unwrap_err();
        assert!(told.contains("exactly one of"), "{told}");
    }
}
