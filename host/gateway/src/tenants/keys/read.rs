//! Reads a keys file, and reports every problem in it at once.
//!
//! A parsed TOML file takes ten times the memory of its text and more. So the text is split in front of keys, and each piece is
//! parsed as a file of its own; problems are reported with the line numbers of the whole file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use witgate_config_file::{Check, Document, Problem, Problems};

use super::fields::{PreviousFile, read_hash, read_validity, report_taken};
use super::{Access, Caller, Credential, CredentialKind, Keyring, Known, LastUse};
use crate::tenants::concurrency::Share;

/// Number of keys in a piece.
const KEYS_PER_PIECE: usize = 256;

/// Largest number of problems that are reported.
const MAX_PROBLEMS: usize = 200;

#[derive(Debug, Deserialize)]
struct KeyringFile {
    #[serde(default)]
    key: Vec<KeyFile>,
}

#[derive(Debug, Deserialize)]
struct KeyFile {
    id: String,
    hash: Option<String>,
    /// Hash of a client certificate.
    certificate: Option<String>,
    tenant: Option<String>,
    user: Option<String>,
    tier: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    disabled: bool,
    models: Option<Vec<String>>,
    workspaces: Option<Vec<String>>,
    environments: Option<Vec<String>>,
    expires: Option<String>,
    previous: Option<PreviousFile>,
}

/// The keys read so far.
#[derive(Default)]
struct Reading {
    known: Known,
    ids: HashSet<Arc<str>>,
    /// Tenants and tiers, each kept once.
    names: HashSet<Arc<str>>,
    problems: Problems,
    /// Number of keys in the pieces before this one.
    keys: usize,
}

/// A part of the file that contains whole keys.
struct Piece<'a> {
    text: &'a str,
    /// Number of lines before the piece.
    line: usize,
}

// === impl Keyring ===

impl Keyring {
    /// Reads a keys file.
    ///
    /// # Errors
    ///
    /// Every problem of the file at once, each with its line.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::unreadable(&path.to_string_lossy(), &error))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a keys file that was read from `path`.
    ///
    /// # Errors
    ///
    /// As [`Keyring::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let mut reading = Reading::default();
        for piece in pieces(text) {
            reading.piece(&path.to_string_lossy(), &piece);
            if reading.problems.iter().len() >= MAX_PROBLEMS {
                break;
            }
        }
        reading.problems.into_result()?;
        let mut known = reading.known;
        known.keys.shrink_to_fit();
        Ok(Self {
            access: Access::Known(known),
        })
    }
}

// === impl Reading ===

impl Reading {
    fn piece(&mut self, file: &str, piece: &Piece<'_>) {
        let read = Document::parse(file, piece.text)
            .and_then(|document| Ok((document.read_known::<KeyringFile>()?, document)));
        match read {
            Ok(((read, mut problems), document)) => {
                let count = read.key.len();
                let mut check = Check::new(&document, Path::new(""), &mut problems);
                for (index, key) in read.key.into_iter().enumerate() {
                    self.key(key, &mut check.table(&format!("key[{index}]")));
                }
                self.report(&problems, piece);
                self.keys += count;
            }
            Err(problems) => self.report(&problems, piece),
        }
    }

    /// Adds the problems of a piece, with the line and key numbers of the whole file.
    fn report(&mut self, problems: &Problems, piece: &Piece<'_>) {
        for problem in problems.iter() {
            self.problems.push(Problem {
                line: problem.line.map(|line| line + piece.line),
                path: self.path(&problem.path),
                ..problem.clone()
            });
        }
    }

    /// Converts a path in a piece, such as `key[3].id`, to the path in the whole file.
    fn path(&self, path: &str) -> String {
        let numbered = path.strip_prefix("key[").and_then(|rest| {
            let (index, rest) = rest.split_once(']')?;
            Some((index.parse::<usize>().ok()?, rest))
        });
        match numbered {
            Some((index, rest)) => format!("key[{}]{rest}", index + self.keys),
            None => path.to_owned(),
        }
    }

    fn key(&mut self, key: KeyFile, check: &mut Check<'_>) {
        let id: Arc<str> = key.id.as_str().into();
        if id.is_empty() || !self.ids.insert(Arc::clone(&id)) {
            check.problem("id", "give each key an id of its own");
        }
        if key.models.as_ref().is_some_and(Vec::is_empty) {
            let message = "name at least one pattern, or remove the setting to allow every model";
            check.problem("models", message);
        }
        for (field, names) in [
            ("workspaces", &key.workspaces),
            ("environments", &key.environments),
        ] {
            if names.as_ref().is_some_and(Vec::is_empty) {
                let message =
                    "name at least one pattern, or remove the setting to bind the key to none";
                check.problem(field, message);
            }
        }
        if key.tenant.as_deref().is_some_and(is_reserved) {
            let message = "use a name that is not empty and does not begin with `key:`, which stands for keys without a tenant";
            check.problem("tenant", message);
        }
        let mut read = |field: &str, written: Option<&str>| {
            read_hash(check, field, written?, "witgate key new")
        };
        let hash = read("hash", key.hash.as_deref());
        let certificate = read("certificate", key.certificate.as_deref());
        let previous = key.previous.as_ref();
        let previous_hash = read("previous.hash", previous.map(|key| key.hash.as_str()));
        let validity = read_validity(check, "expires", key.expires.as_deref());
        let until = previous.map(|key| key.expires.as_str());
        let previous_validity = read_validity(check, "previous.expires", until);
        if key.hash.is_none()
            && key.certificate.is_none()
            && !check.has_problem("hash")
            && !check.has_problem("certificate")
        {
            check.problem("", "give the key a hash, a certificate, or both");
        }
        if key.disabled {
            return;
        }
        let caller = Arc::new(Caller {
            id,
            tenant: self.share_name(key.tenant),
            user: key.user.map(Into::into),
            tier: self.share_name(key.tier),
            labels: key.labels.into_iter().collect(),
            models: key.models,
            workspaces: key.workspaces,
            environments: key.environments,
            share: Share::default(),
            last_use: LastUse::default(),
            seen: OnceLock::new(),
        });
        let Known { keys, certificates } = &mut self.known;
        let mut add = |field: &str, hash: Option<_>, to: &mut HashMap<_, _>, kind, validity| {
            let caller = Arc::clone(&caller);
            let taken = hash.and_then(|hash| {
                to.insert(
                    hash,
                    Credential {
                        caller,
                        kind,
                        validity,
                    },
                )
            });
            if taken.is_some() {
                report_taken(check, field);
            }
        };
        add("hash", hash, keys, CredentialKind::Key, validity);
        let before = validity.min(previous_validity);
        add(
            "previous.hash",
            previous_hash,
            keys,
            CredentialKind::PreviousKey,
            before,
        );
        add(
            "certificate",
            certificate,
            certificates,
            CredentialKind::Certificate,
            validity,
        );
    }

    /// Returns the shared copy of a name.
    fn share_name(&mut self, name: Option<String>) -> Option<Arc<str>> {
        let name = name?;
        if let Some(known) = self.names.get(name.as_str()) {
            return Some(Arc::clone(known));
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        Some(name)
    }
}

/// Returns whether a tenant's name could be taken for the owner of a key without a tenant.
fn is_reserved(name: &str) -> bool {
    name.is_empty() || name.starts_with("key:")
}

/// Splits a text in front of keys. A text with multi-line strings stays whole, because a string could contain what looks like
/// the start of a key.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let whole = text.contains("\"\"\"") || text.contains("'''");
    let mut pieces = Vec::new();
    let (mut start, mut first, mut keys, mut at) = (0, 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if !whole && begins_a_key(line) {
            if keys == KEYS_PER_PIECE {
                pieces.push(Piece {
                    text: text.get(start..at).unwrap_or_default(),
                    line: first,
                });
                (start, first, keys) = (at, number, 0);
            }
            keys += 1;
        }
        at += line.len();
    }
    pieces.push(Piece {
        text: text.get(start..).unwrap_or_default(),
        line: first,
    });
    pieces
}

/// Returns whether a line begins a key: `[[key]]`.
fn begins_a_key(line: &str) -> bool {
    let inside = line
        .trim_start()
        .strip_prefix("[[")
        .and_then(|rest| rest.split_once("]]"));
    inside.is_some_and(|(name, _)| name.trim() == "key")
}

#[cfg(test)]
mod tests;
