//! Reads a keys file: every problem in it at once, and never more of it taken apart than a few keys at a time.
//!
//! A parsed TOML file takes ten times and more of what its text takes. So the text is cut in front of keys, and each piece
//! is read as a file of its own; what is wrong in one is told with the lines of the whole.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use witgate_config_file::{Document, Problem, Problems};

use super::{Caller, Entrance, Keyring, Known};
use crate::tenants::concurrency::Share;
use crate::tenants::keys::hex;

/// Keys of a piece.
const PIECE: usize = 256;

/// Most problems of one file that are reported.
const MOST: usize = 200;

#[derive(Debug, Deserialize)]
struct KeyringFile {
    #[serde(default)]
    key: Vec<KeyFile>,
}

#[derive(Debug, Deserialize)]
struct KeyFile {
    id: String,
    hash: Option<String>,
    /// The hash of a client certificate.
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
}

/// The keys that have been read so far.
#[derive(Default)]
struct Reading {
    known: Known,
    ids: HashSet<Arc<str>>,
    /// Tenants and tiers, each once.
    names: HashSet<Arc<str>>,
    problems: Problems,
    /// Keys of the pieces before this one.
    keys: usize,
}

/// A part of the file with whole keys in it.
struct Piece<'a> {
    text: &'a str,
    /// Lines before it.
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
            if reading.problems.iter().len() >= MOST {
                break;
            }
        }
        reading.problems.into_result()?;
        let mut known = reading.known;
        known.keys.shrink_to_fit();
        Ok(Self {
            entrance: Entrance::Known(known),
        })
    }
}

// === impl Reading ===

impl Reading {
    fn piece(&mut self, file: &str, piece: &Piece<'_>) {
        let mut problems = Problems::default();
        let read = Document::parse(file, piece.text)
            .and_then(|document| Ok((document.read_known::<KeyringFile>()?, document)));
        match read {
            Ok(((read, found), document)) => {
                problems = found;
                let count = read.key.len();
                for (index, key) in read.key.into_iter().enumerate() {
                    self.key(index, key, &document, &mut problems);
                }
                self.told(&problems, piece);
                self.keys += count;
            }
            Err(found) => {
                problems.extend(found);
                self.told(&problems, piece);
            }
        }
    }

    /// Takes over what is wrong in a piece, with the lines and the numbers of the whole file.
    fn told(&mut self, problems: &Problems, piece: &Piece<'_>) {
        for problem in problems.iter() {
            self.problems.push(Problem {
                line: problem.line.map(|line| line + piece.line),
                path: self.path(&problem.path),
                ..problem.clone()
            });
        }
    }

    /// `key[3].id` of a piece as the path in the whole file.
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

    fn key(&mut self, index: usize, key: KeyFile, document: &Document, problems: &mut Problems) {
        let at = |field: &str| format!("key[{index}].{field}");
        let id: Arc<str> = key.id.as_str().into();
        if id.is_empty() || !self.ids.insert(Arc::clone(&id)) {
            problems.push(document.problem(&at("id"), "each key has an id of its own"));
        }
        if key.models.as_ref().is_some_and(Vec::is_empty) {
            let message =
                "name at least one pattern, or leave the key out: then every model is allowed";
            problems.push(document.problem(&at("models"), message));
        }
        for (field, names) in [
            ("workspaces", &key.workspaces),
            ("environments", &key.environments),
        ] {
            if names.as_ref().is_some_and(Vec::is_empty) {
                let message =
                    "name at least one pattern, or leave the key out: then it is bound to none";
                problems.push(document.problem(&at(field), message));
            }
        }
        if key.tenant.as_deref().is_some_and(is_no_tenant) {
            let message = "a name that is not empty and does not begin with `key:`, which keys without a tenant have";
            problems.push(document.problem(&at("tenant"), message));
        }
        let mut read = |field: &str, written: Option<&str>| {
            let hash = written?.strip_prefix("sha256:").and_then(hex::decode32);
            if hash.is_none() {
                problems.push(document.problem(
                    &at(field),
                    "sha256: and 64 hex digits, as `witgate key new` prints",
                ));
            }
            hash
        };
        let hash = read("hash", key.hash.as_deref());
        let certificate = read("certificate", key.certificate.as_deref());
        let is_wrong = |field: &str| problems.is_about(&at(field));
        let wrong = is_wrong("hash") || is_wrong("certificate");
        if key.hash.is_none() && key.certificate.is_none() && !wrong {
            problems.push(document.problem(
                &format!("key[{index}]"),
                "a key has a hash, a certificate, or both",
            ));
        }
        if key.disabled {
            return;
        }
        let caller = Arc::new(Caller {
            id,
            tenant: self.name(key.tenant),
            user: key.user.map(Into::into),
            tier: self.name(key.tier),
            labels: key.labels.into_iter().collect(),
            models: key.models,
            workspaces: key.workspaces,
            environments: key.environments,
            share: Share::default(),
        });
        for (field, hash, callers) in [
            ("hash", hash, &mut self.known.keys),
            ("certificate", certificate, &mut self.known.certificates),
        ] {
            let taken = hash.and_then(|hash| callers.insert(hash, Arc::clone(&caller)));
            if taken.is_some() {
                problems.push(document.problem(&at(field), "another key has the same hash"));
            }
        }
    }

    /// A name that many keys have, kept once.
    fn name(&mut self, name: Option<String>) -> Option<Arc<str>> {
        let name = name?;
        if let Some(known) = self.names.get(name.as_str()) {
            return Some(Arc::clone(known));
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        Some(name)
    }
}

/// Whether a tenant's name could be taken for that of a key without one.
fn is_no_tenant(name: &str) -> bool {
    name.is_empty() || name.starts_with("key:")
}

/// Cuts a text in front of every so many keys. A text with strings of several lines stays whole: what looks like the start
/// of a key could be inside one.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let whole = text.contains("\"\"\"") || text.contains("'''");
    let mut pieces = Vec::new();
    let (mut start, mut first, mut keys, mut at) = (0, 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if !whole && begins_a_key(line) {
            if keys == PIECE {
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

/// Whether a line is the head of a key, `[[key]]`.
fn begins_a_key(line: &str) -> bool {
    let inside = line
        .trim_start()
        .strip_prefix("[[")
        .and_then(|rest| rest.split_once("]]"));
    inside.is_some_and(|(name, _)| name.trim() == "key")
}

#[cfg(test)]
mod tests;
