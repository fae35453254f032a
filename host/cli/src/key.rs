//! `witgate key`: virtual keys.
//!
//! A running gateway reads a changed keys file within a second. Requests that it has let in go on.

mod file;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use toml_edit::{InlineTable, Table, value};
use witgate_gateway::config::{Config, Keys};
use witgate_gateway::keys::{NewKey, Validity};
use witgate_usage::query::render::aligned;
use witgate_usage::query::time;
use witgate_usage::{Connection, Zone, last_use, open_reader};

use self::file::{Key, KeysFile, Kind, State};
use crate::output::print;

/// Commands about keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a key. Its hash goes into the keys file; the key itself is printed once and stored nowhere.
    New(New),
    /// List the keys of a keys file: owner, tier, models, state and last use. No secret can be shown, because none is stored.
    List(List),
    /// Revoke a key: a running gateway refuses it within a second. Its entry stays, disabled, so that receipts can be explained.
    Revoke(Revoke),
    /// Replace a key by a new one of the same owner. The new key is printed once.
    Rotate(Rotate),
}

/// Arguments of `witgate key new`.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Public id of the key, shown on receipts.
    #[arg(long)]
    id: String,
    /// Role of an operator's key, for limits on the admin listener (`admin.keys`). Without it, the key is a caller's.
    #[arg(long, value_enum, conflicts_with_all = ["tenant", "user", "tier", "labels", "models"])]
    role: Option<Role>,
    /// Tenant that the key belongs to.
    #[arg(long)]
    tenant: Option<String>,
    /// Person or service that uses the key.
    #[arg(long)]
    user: Option<String>,
    /// Tier of the key, for budget and route policies.
    #[arg(long)]
    tier: Option<String>,
    /// Label as NAME=VALUE; can be repeated.
    #[arg(long = "label", value_parser = label)]
    labels: Vec<(String, String)>,
    /// Model that the key may use, as a pattern with `*`; can be repeated. Without it, the key may use every model.
    #[arg(long = "model")]
    models: Vec<String>,
    /// End of the key's validity: a time such as 2027-01-31T18:00:00Z, or a date, which means its beginning in UTC.
    #[arg(long, value_parser = Validity::parse)]
    expires: Option<Validity>,
    /// Keys file to add the key to. Without it, the entry is printed.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// The role of an operator's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// Read limits, spending and records of changes.
    Read,
    /// Change limits as well.
    Write,
}

/// Arguments of `witgate key list`.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Keys file.
    #[arg(long, required_unless_present = "config")]
    file: Option<PathBuf>,
    /// Configuration, for the last use of each key by the receipts of its gateway. Its keys file is listed unless another is named.
    #[arg(short, long)]
    config: Option<PathBuf>,
}

/// Arguments of `witgate key revoke`.
#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// Id of the key.
    #[arg(long)]
    id: String,
    /// Keys file.
    #[arg(long)]
    file: PathBuf,
}

/// Arguments of `witgate key rotate`.
#[derive(Debug, clap::Args)]
pub(super) struct Rotate {
    /// Id of the key.
    #[arg(long)]
    id: String,
    /// Time for which the old key stays valid as well, such as 30m, 24h or 7d. Without it, the old key ends at once.
    #[arg(long, value_parser = duration)]
    grace: Option<Duration>,
    /// Keys file.
    #[arg(long)]
    file: PathBuf,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a duration: a number and a unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "use a number and a unit: 90s, 30m, 24h or 7d";
    let digits = text.trim_end_matches(|end: char| !end.is_ascii_digit());
    let seconds = match text.get(digits.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => return Err(EXPECTED.to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| EXPECTED)?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| EXPECTED.to_owned())
}

/// Runs a command of `witgate key`.
pub(super) fn key(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(new) => create(&new)?,
        Command::List(list) => list.run()?,
        Command::Revoke(revoke) => {
            let mut file = KeysFile::read(&revoke.file)?;
            file.revoke(&revoke.id)?;
            file.write()?;
            print(&format!(
                "revoked {} in {}",
                revoke.id,
                revoke.file.display()
            ));
        }
        Command::Rotate(rotate) => {
            let mut file = KeysFile::read(&rotate.file)?;
            let key = NewKey::random();
            let grace = rotate.grace.map(Validity::for_the_next);
            file.rotate(&rotate.id, &key, grace)?;
            file.write()?;
            print(&match grace {
                Some(end) => format!("rotated {}; the old key is valid until {end}", rotate.id),
                None => format!("rotated {}; the old key is no longer valid", rotate.id),
            });
            print_secret(&key);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(new: &New) -> anyhow::Result<()> {
    let key = NewKey::random();
    let entry = entry(new, &key);
    match &new.file {
        None => print(&entry),
        Some(path) => {
            let kind = if new.role.is_some() {
                Kind::Operators
            } else {
                Kind::Callers
            };
            KeysFile::read_or_new(path, kind)
                .and_then(|mut file| {
                    file.append(&entry)?;
                    file.write()
                })
                .with_context(|| format!("{} is not added", new.id))?;
            print(&format!("added {} to {}", new.id, path.display()));
        }
    }
    print_secret(&key);
    Ok(())
}

fn print_secret(key: &NewKey) {
    print(&format!("the key, shown only once: {}", key.secret));
}

// === impl List ===

impl List {
    fn run(&self) -> anyhow::Result<()> {
        let config = self.config.as_deref().map(Config::read).transpose();
        let config = config.map_err(|problems| anyhow::anyhow!("{problems}"))?;
        let file = match (&self.file, config.as_ref().map(|config| &config.keys)) {
            (Some(file), _) => file.clone(),
            (None, Some(Keys::File(file))) => file.clone(),
            (None, _) => anyhow::bail!("there is no keys file: the gateway is open to everyone"),
        };
        let file = KeysFile::read(&file)?;
        match config {
            None => show(&file, None),
            Some(config) => {
                let usage = config.usage.context(
                    "the last use of keys is not kept: set `directory` in [state] and `file` in [receipts]",
                )?;
                // It does not exist until the gateway has run.
                let db = usage
                    .database
                    .exists()
                    .then(|| open_reader(&usage.database));
                let db = db.transpose()?;
                show(&file, Some(&|id| last_used(db.as_ref(), id, usage.zone)));
            }
        }
        Ok(())
    }
}

/// Returns the last use of a key as text.
fn last_used(db: Option<&Connection>, id: &str, zone: Zone) -> String {
    let at = db.map(|db| last_use(db, id));
    match at {
        Some(Ok(Some(at))) => time::text_in(zone, at),
        Some(Ok(None)) | None => "-".to_owned(),
        Some(Err(_)) => "unknown".to_owned(),
    }
}

/// Prints a line for each key.
fn show(file: &KeysFile, last_used: Option<&dyn Fn(&str) -> String>) {
    if file.kind() == Kind::Operators {
        return show_operators(file);
    }
    let names = ["id", "tenant", "user", "tier", "models", "state"];
    let names = names.into_iter().chain(last_used.map(|_| "last used"));
    let mut rows = vec![names.map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(file.keys().map(|key| {
        let text = |name| key.text(name).unwrap_or("-").to_owned();
        let cells = [
            text("id"),
            text("tenant"),
            text("user"),
            text("tier"),
            key.models(),
            state(&key),
        ];
        let last_used = last_used.map(|last_used| last_used(&text("id")));
        cells.into_iter().chain(last_used).collect()
    }));
    print(aligned(&rows, usize::MAX).trim_end());
}

/// Prints a line for each key of an operator.
fn show_operators(file: &KeysFile) {
    let mut rows = vec![["id", "role", "state"].map(str::to_owned).to_vec()];
    rows.extend(file.keys().map(|key| {
        let text = |name| key.text(name).unwrap_or("-").to_owned();
        vec![text("id"), text("role"), state(&key)]
    }));
    print(aligned(&rows, usize::MAX).trim_end());
}

/// Returns the state of a key in words.
fn state(key: &Key<'_>) -> String {
    let state = match key.state() {
        State::Revoked => "revoked".to_owned(),
        State::Expired(end) => format!("expired {end}"),
        State::Valid(Validity::FOREVER) => "valid".to_owned(),
        State::Valid(end) => format!("valid until {end}"),
    };
    match key.previous() {
        Some(end) => format!("{state}; the previous key until {end}"),
        None => state,
    }
}

fn entry(new: &New, key: &NewKey) -> String {
    let mut table = Table::new();
    table.insert("id", value(&new.id));
    table.insert("hash", value(&key.hash));
    if let Some(role) = new.role {
        table.insert("role", value(role.name()));
    }
    for (name, given) in [
        ("tenant", &new.tenant),
        ("user", &new.user),
        ("tier", &new.tier),
    ] {
        if let Some(given) = given {
            table.insert(name, value(given));
        }
    }
    if !new.labels.is_empty() {
        let labels: InlineTable = new
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        table.insert("labels", value(labels));
    }
    if !new.models.is_empty() {
        let models: toml_edit::Array = new.models.iter().map(String::as_str).collect();
        table.insert("models", value(models));
    }
    if let Some(expires) = new.expires {
        table.insert("expires", value(expires.to_string()));
    }
    format!("\n[[key]]\n{table}")
}

// === impl Role ===

impl Role {
    /// Returns the name, as in the file.
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_is_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "7", "d", "1w", "-1d", "99999999999999999999d", "1 d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
