//! Keys of operators, for the API of limits on the admin listener. Only their hashes are stored, in a file of their own.
//!
//! They are made as callers' keys are (`witgate key new --role`), so a leaked one is recognized in the same way and goes to no upstream.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use witgate_config_file::{Check, Document, Problems};
use witgate_ledger::UnixMillis;

use crate::tenants::keys::read::digest;
use crate::tenants::keys::{Validity, hash};

/// The keys of operators.
#[derive(Debug)]
pub struct AdminKeys {
    known: HashMap<[u8; 32], (AdminKey, Validity)>,
}

/// A key of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminKey {
    /// The name, by which records of changes name who made them.
    pub id: String,
    /// What the key is for.
    pub role: Role,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads limits, spending and records.
    Read,
    /// Changes limits as well.
    Write,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    key: Vec<KeyFile>,
}

#[derive(Debug, Deserialize)]
struct KeyFile {
    id: String,
    hash: String,
    role: Role,
    expires: Option<String>,
    previous: Option<PreviousFile>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Debug, Deserialize)]
struct PreviousFile {
    hash: String,
    expires: String,
}

// === impl AdminKeys ===

impl AdminKeys {
    /// Reads a file of keys.
    ///
    /// # Errors
    ///
    /// Every problem of the file at once, each with its line.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems::unreadable(&path.to_string_lossy(), &error))?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file that was read from `path`.
    ///
    /// # Errors
    ///
    /// As [`AdminKeys::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, Problems> {
        let document = Document::parse(&path.to_string_lossy(), text)?;
        let (file, mut problems) = document.read_known::<File>()?;
        let mut check = Check::new(&document, Path::new(""), &mut problems);
        let mut keys = Self {
            known: HashMap::new(),
        };
        let mut ids = HashSet::new();
        for (index, key) in file.key.into_iter().enumerate() {
            let mut check = check.table(&format!("key[{index}]"));
            if key.id.is_empty() || !ids.insert(key.id.clone()) {
                check.problem("id", "give each key an id of its own");
            }
            keys.add(key, &mut check);
        }
        problems.into_result()?;
        Ok(keys)
    }

    /// Returns the key with this secret, or `None` if there is none that is valid.
    pub(crate) fn find(&self, secret: &[u8], now: UnixMillis) -> Option<&AdminKey> {
        let (key, validity) = self.known.get(&hash(secret))?;
        validity.ended(now).is_none().then_some(key)
    }

    /// Returns the number of keys, those before a rotation included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known.len()
    }

    fn add(&mut self, file: KeyFile, check: &mut Check<'_>) {
        let mut read = |field: &str, written: &str| {
            let hash = written.strip_prefix("sha256:").and_then(digest);
            if hash.is_none() {
                check.problem(
                    field,
                    "use `sha256:` followed by 64 hex digits, as `witgate key new --role` prints",
                );
            }
            hash
        };
        let hash = read("hash", &file.hash);
        let previous = file
            .previous
            .as_ref()
            .and_then(|previous| read("previous.hash", &previous.hash));
        let mut time = |field: &str, written: Option<&str>| match written.map(Validity::parse) {
            None => Validity::FOREVER,
            Some(Ok(validity)) => validity,
            Some(Err(error)) => {
                check.problem(field, error.to_string());
                Validity::FOREVER
            }
        };
        let validity = time("expires", file.expires.as_deref());
        let until = file.previous.as_ref();
        let until = time("previous.expires", until.map(|key| key.expires.as_str()));
        if file.disabled {
            return;
        }
        let key = AdminKey {
            id: file.id,
            role: file.role,
        };
        for (field, hash, validity) in [
            ("hash", hash, validity),
            ("previous.hash", previous, validity.min(until)),
        ] {
            let taken = hash.and_then(|hash| self.known.insert(hash, (key.clone(), validity)));
            if taken.is_some() {
                check.problem(
                    field,
                    "another key has the same hash: give each key its own",
                );
            }
        }
    }
}
