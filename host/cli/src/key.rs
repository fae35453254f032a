//! `witgate key`: virtual keys.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use toml_edit::{InlineTable, Table, value};
use witgate_gateway::keys::{Keyring, NewKey};

use crate::output::print;

/// Commands about keys.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Create a key. Its hash goes into the keys file; the key itself is printed once and stored nowhere.
    New(New),
}

/// Arguments of `witgate key new`.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Public id of the key, shown on receipts.
    #[arg(long)]
    id: String,
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
    /// Keys file to add the key to. Without it, the entry is printed.
    #[arg(long)]
    file: Option<PathBuf>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs a command of `witgate key`.
pub(super) fn key(command: Command) -> anyhow::Result<ExitCode> {
    let Command::New(new) = command;
    let key = NewKey::random();
    let entry = entry(&new, &key);
    match &new.file {
        None => print(&entry),
        Some(path) => {
            let mut text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                Err(error) => anyhow::bail!("cannot read {}: {error}", path.display()),
            };
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&entry);
            // Only a valid file is written: a running gateway reads it within a second.
            Keyring::parse(path, &text)?;
            write_whole(path, &text)?;
            print(&format!("added {} to {}", new.id, path.display()));
        }
    }
    print(&format!("the key, shown only once: {}", key.secret));
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

/// Replaces a file atomically, readable by its owner only.
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
