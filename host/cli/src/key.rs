//! `witgate key`: virtual keys.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use toml_edit::{InlineTable, Table, value};

use super::say;
use witgate_gateway::keys::{Keyring, NewKey};

/// Commands about keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key: its hash goes to the keys file, the key itself is printed once and stored nowhere.
    New(New),
}

/// Arguments of `witgate key new`.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Public id of the key, as it stands on receipts.
    #[arg(long)]
    id: String,
    /// Tenant that it belongs to.
    #[arg(long)]
    tenant: Option<String>,
    /// Person or service that it is for.
    #[arg(long)]
    user: Option<String>,
    /// Tier, for budget and route policies.
    #[arg(long)]
    tier: Option<String>,
    /// A label, NAME=VALUE; may be given several times.
    #[arg(long = "label", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The keys file to add it to; without one, the entry is printed.
    #[arg(long)]
    file: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a label is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs a command about keys.
pub(super) fn key(command: Command) -> anyhow::Result<ExitCode> {
    let Command::New(new) = command;
    let key = NewKey::random();
    let entry = entry(&new, &key);
    match &new.file {
        None => say(&entry),
        Some(path) => {
            let mut text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                Err(error) => anyhow::bail!("{} cannot be read: {error}", path.display()),
            };
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&entry);
            // A file that would not load afterwards is not written: a running gateway reads it within a second.
            Keyring::parse(path, &text)?;
            write_whole(path, &text)?;
            say(&format!("added {} to {}", new.id, path.display()));
        }
    }
    say(&format!("the key, shown this once: {}", key.secret));
    Ok(ExitCode::SUCCESS)
}

fn entry(new: &New, key: &NewKey) -> String {
    let mut table = Table::new();
    table.insert("id", value(&new.id));
    table.insert("hash", value(&key.hash));
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
    format!("\n[[key]]\n{table}")
}

/// Replaces a file as a whole, readable by its owner only.
fn write_whole(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(())
}
