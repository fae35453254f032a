//! A keys file that is changed: its comments and its layout stay.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};
use witgate_gateway::admin_keys::AdminKeys;
use witgate_gateway::keys::{Keyring, NewKey, Validity};

/// A keys file.
pub(super) struct KeysFile {
    path: PathBuf,
    kind: Kind,
    document: DocumentMut,
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Keys of callers.
    Callers,
    /// Keys of operators, which have a role.
    Operators,
}

/// An entry of a keys file.
pub(super) struct Key<'a>(&'a Table);

/// The state of a key.
pub(super) enum State {
    /// The key is accepted until a time.
    Valid(Validity),
    /// The key was accepted until a time.
    Expired(Validity),
    /// The key is disabled.
    Revoked,
}

// === impl KeysFile ===

impl KeysFile {
    /// Reads a keys file of either kind.
    ///
    /// # Errors
    ///
    /// The file can't be read, or has problems, all of which are told.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text, Kind::of(&text))
    }

    /// Reads a keys file of this kind, or starts an empty one if there is none.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and the file is of the other kind.
    pub(super) fn read_or_new(path: &Path, kind: Kind) -> anyhow::Result<Self> {
        if path.exists() {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Self::parse(path, &text, kind)
        } else {
            Self::parse(path, "", kind)
        }
    }

    fn parse(path: &Path, text: &str, kind: Kind) -> anyhow::Result<Self> {
        kind.check(path, text)?;
        let document = text
            .parse()
            .with_context(|| format!("cannot read {}", path.display()))?;
        let path = path.to_owned();
        Ok(Self {
            path,
            kind,
            document,
        })
    }

    /// Returns the kind of the file.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the keys in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        let keys = self.document.get("key").and_then(Item::as_array_of_tables);
        keys.into_iter().flat_map(ArrayOfTables::iter).map(Key)
    }

    /// Adds an entry at the end.
    ///
    /// # Errors
    ///
    /// The file would have problems.
    pub(super) fn append(&mut self, entry: &str) -> anyhow::Result<()> {
        let mut text = self.document.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(entry);
        *self = Self::parse(&self.path, &text, self.kind)?;
        Ok(())
    }

    /// Disables a key.
    ///
    /// # Errors
    ///
    /// There is no key with this id, or it is disabled already.
    pub(super) fn revoke(&mut self, id: &str) -> anyhow::Result<()> {
        let key = self.find(id)?;
        if matches!(Key(key).state(), State::Revoked) {
            bail!("the key `{id}` is revoked already");
        }
        key.insert("disabled", value(true));
        key.remove("previous");
        Ok(())
    }

    /// Replaces the hash of a key. The old one stays valid until the end of the grace, if there is one.
    ///
    /// # Errors
    ///
    /// There is no key with this id, or it is disabled or has no hash.
    pub(super) fn rotate(
        &mut self,
        id: &str,
        new: &NewKey,
        grace: Option<Validity>,
    ) -> anyhow::Result<()> {
        let key = self.find(id)?;
        if matches!(Key(key).state(), State::Revoked) {
            bail!("the key `{id}` is revoked: create a new one with `witgate key new`");
        }
        let Some(old) = Key(key).text("hash").map(str::to_owned) else {
            bail!("the key `{id}` is a client certificate: change its `certificate` instead");
        };
        key.insert("hash", value(&new.hash));
        key.remove("previous");
        if let Some(end) = grace {
            let mut previous = InlineTable::new();
            previous.insert("hash", old.into());
            previous.insert("expires", end.to_string().into());
            key.insert("previous", value(previous));
        }
        Ok(())
    }

    fn find(&mut self, id: &str) -> anyhow::Result<&mut Table> {
        let keys = self.document.get_mut("key");
        let keys = keys.and_then(Item::as_array_of_tables_mut);
        keys.into_iter()
            .flat_map(ArrayOfTables::iter_mut)
            .find(|key| Key(key).text("id") == Some(id))
            .with_context(|| format!("there is no key `{id}` in {}", self.path.display()))
    }

    /// Replaces the file atomically, readable by its owner only.
    ///
    /// # Errors
    ///
    /// The new text has problems, or can't be written.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let text = self.document.to_string();
        // Only a valid file is written: a running gateway reads it within a second.
        self.kind.check(&self.path, &text)?;
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let written = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)
        };
        written().with_context(|| format!("cannot write {}", self.path.display()))
    }
}

// === impl Kind ===

impl Kind {
    /// Returns the kind of a file with this text: only operators' keys have a role.
    fn of(text: &str) -> Self {
        let document = text.parse::<DocumentMut>().ok();
        let first = document
            .as_ref()
            .and_then(|document| document.get("key"))
            .and_then(Item::as_array_of_tables)
            .and_then(|keys| keys.iter().next());
        match first {
            Some(key) if key.contains_key("role") => Self::Operators,
            _ => Self::Callers,
        }
    }

    fn check(self, path: &Path, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Callers => Keyring::parse(path, text).map(drop)?,
            Self::Operators => AdminKeys::parse(path, text).map(drop)?,
        }
        Ok(())
    }
}

// === impl Key ===

impl Key<'_> {
    /// Returns a text of the entry, or `None` if it is absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Returns the models that the key may use.
    pub(super) fn models(&self) -> String {
        let models = self.0.get("models").and_then(Item::as_array);
        models.map_or("all".to_owned(), |models| {
            let models: Vec<_> = models.iter().filter_map(|model| model.as_str()).collect();
            models.join(" ")
        })
    }

    /// Returns the state of the key.
    pub(super) fn state(&self) -> State {
        if self.0.get("disabled").and_then(Item::as_bool) == Some(true) {
            return State::Revoked;
        }
        let end = self.text("expires").map(Validity::parse);
        match end.and_then(Result::ok).unwrap_or_default() {
            end if end.has_ended() => State::Expired(end),
            end => State::Valid(end),
        }
    }

    /// Returns the end of the previous key, or `None` without one that is still valid.
    pub(super) fn previous(&self) -> Option<Validity> {
        let previous = self.0.get("previous")?;
        let end = Validity::parse(previous.get("expires")?.as_str()?).ok()?;
        (!end.has_ended()).then_some(end)
    }
}
