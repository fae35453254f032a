//! Keys of operators, for the API of limits on the admin listener. Only their hashes are stored, in a file of their own.
//!
//! They are made as callers' keys are (`witgate key new --role`), so a leaked one is recognized in the same way and goes to no upstream.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;
use witgate_config_file::{Check, Document, Problems};
use witgate_ledger::UnixMillis;

use crate::tenants::keys::fields::{PreviousFile, read_hash, read_validity, report_taken};
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
        let mut read =
            |field: &str, written: &str| read_hash(check, field, written, "witgate key new --role");
        let hash = read("hash", &file.hash);
        let previous = file.previous.as_ref();
        let previous_hash = previous.and_then(|key| read("previous.hash", &key.hash));
        let validity = read_validity(check, "expires", file.expires.as_deref());
        let until = previous.map(|key| key.expires.as_str());
        let previous_validity = read_validity(check, "previous.expires", until);
        if file.disabled {
            return;
        }
        let key = AdminKey {
            id: file.id,
            role: file.role,
        };
        for (field, hash, validity) in [
            ("hash", hash, validity),
            (
                "previous.hash",
                previous_hash,
                validity.min(previous_validity),
            ),
        ] {
            let taken = hash.and_then(|hash| self.known.insert(hash, (key.clone(), validity)));
            if taken.is_some() {
                report_taken(check, field);
            }
        }
    }
}
