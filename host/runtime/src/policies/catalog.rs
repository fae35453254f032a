//! The plugins of a directory: for each name the last good plugin, and the error of its newest files.
//!
//! Refused files are tried again when they change, or when something changes that they refer to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::scan::{self, Listing};
use crate::admission::{AdmissionCause, AdmissionError, Retry, Source};
use crate::engine::Runtime;
use crate::plugin::{Identity, Plugin};

/// The plugins of a directory, by name.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    listing: Option<Listing>,
    entries: BTreeMap<String, Entry>,
}

/// A plugin name with its files.
#[derive(Debug)]
struct Entry {
    /// The files that were last loaded, good or bad, or `None` if they could not be read.
    last_seen: Option<Identity>,
    /// The changes after which the refused files are tried again, or `None` if they were admitted.
    retry: Option<Retry>,
    state: EntryState,
}

/// The public state of an entry.
#[derive(Debug, Clone)]
pub(super) struct EntryState {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The last good plugin of this name.
    pub(super) plugin: Option<Arc<Plugin>>,
    /// The error of the newest files.
    pub(super) error: Option<Arc<str>>,
}

// === impl Catalog ===

impl Catalog {
    /// Loads the files of a listing. Returns whether the set of plugins changed.
    pub(super) fn update(&mut self, runtime: &Runtime, dir: &Path, listing: Listing) -> bool {
        let before = self.plugins();
        let names: Vec<String> = listing.plugins().map(str::to_owned).collect();
        self.entries.retain(|name, _| names.contains(name));
        for name in names {
            let file = dir.join(format!("{name}.wasm"));
            match Source::read(&file) {
                Ok(source) => self.load(runtime, &source),
                Err(_) if scan::is_gone(&file) => {
                    self.entries.remove(&name);
                }
                Err(error) => self.entry(&name, &file).reject(None, &error),
            }
        }
        self.listing = Some(listing);

        let after = self.plugins();
        before.len() != after.len()
            || before
                .iter()
                .zip(&after)
                .any(|(old, new)| !Arc::ptr_eq(old, new))
    }

    /// Returns whether stamps alone prove that the directory is what was last loaded.
    pub(super) fn is_proven(&self, dir: &Path) -> bool {
        let listing = self.listing.as_ref();
        !self.has_unread() && listing.is_some_and(|listing| listing.is_proven(dir))
    }

    /// Returns whether the stamps of all files can prove that nothing changed, and no refused file waits for another try.
    pub(super) fn is_settled(&self) -> bool {
        let waits = |entry: &Entry| {
            let retry = entry.retry.as_ref();
            entry.last_seen.is_none() || retry.is_some_and(Retry::may_become_due)
        };
        self.listing.as_ref().is_some_and(Listing::is_conclusive)
            && !self.entries.values().any(waits)
    }

    /// Returns the names of the files that were last listed.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.listing.iter().flat_map(Listing::files)
    }

    /// Returns whether the directory may differ from what was last loaded, and keeps the listing if it does not.
    pub(super) fn differs(&mut self, now: Option<Listing>) -> bool {
        match (&self.listing, now) {
            (Some(then), Some(now)) if !then.differs(&now) => {
                self.listing = Some(now);
                self.has_unread()
            }
            _ => true,
        }
    }

    /// Returns whether a file could not be read, or a refused one is due again. Neither shows in the listing.
    fn has_unread(&self) -> bool {
        let tries_again = |entry: &Entry| entry.last_seen.is_none() || entry.is_due();
        self.entries.values().any(tries_again)
    }

    /// Returns the plugins that can serve, by name.
    pub(super) fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.entries
            .values()
            .filter_map(|entry| entry.state.plugin.as_ref().map(Arc::clone))
            .collect()
    }

    pub(super) fn states(&self) -> Vec<EntryState> {
        self.entries
            .values()
            .map(|entry| entry.state.clone())
            .collect()
    }

    /// Admits a plugin, unless its files are those that were last loaded.
    fn load(&mut self, runtime: &Runtime, source: &Source) {
        let identity = source.identity();
        let entry = self.entry(&source.name, &source.file);
        if entry.last_seen.as_ref() == Some(&identity) && !entry.is_due() {
            return;
        }
        if let Some(serving) = &entry.state.plugin
            && *serving.identity() == identity
        {
            // The operator replaced a bad file by the one that serves.
            entry.last_seen = Some(identity);
            entry.state.error = None;
            entry.retry = None;
            return;
        }
        let again = entry.last_seen.as_ref() == Some(&identity);
        let earlier = entry.retry.take().filter(|_| again);
        let retry = Retry::before(runtime, source, earlier);
        let admitted = runtime
            .admit(source)
            .and_then(|plugin| self.unclaimed(source, plugin));
        let entry = self.entry(&source.name, &source.file);
        match admitted {
            Ok(plugin) => {
                tracing::info!(plugin = source.name, sha256 = %identity.wasm, "plugin admitted");
                entry.last_seen = Some(identity);
                entry.state.plugin = Some(plugin);
                entry.state.error = None;
            }
            Err(error) => {
                entry.retry = Some(retry.after(&error));
                entry.reject(Some(identity), &error);
            }
        }
    }

    /// Returns a plugin none of whose paths another plugin has claimed.
    ///
    /// # Errors
    ///
    /// There is such a path, and the plugin that has it.
    fn unclaimed(
        &self,
        source: &Source,
        plugin: Arc<Plugin>,
    ) -> Result<Arc<Plugin>, AdmissionError> {
        let others = self.entries.values().map(|entry| &entry.state);
        let mut others = others.filter(|state| state.name != source.name);
        let taken = others.find_map(|state| {
            let other = state.plugin.as_deref()?;
            Some((plugin.claims_with(other)?.to_string(), other.name()))
        });
        match taken {
            None => Ok(plugin),
            Some((claim, other)) => Err(AdmissionError {
                plugin: source.name.as_str().into(),
                file: source.file.clone(),
                cause: AdmissionCause::Claimed {
                    claim,
                    other: (**other).into(),
                },
            }),
        }
    }

    fn entry(&mut self, name: &str, file: &Path) -> &mut Entry {
        self.entries
            .entry(name.to_owned())
            .or_insert_with(|| Entry {
                last_seen: None,
                retry: None,
                state: EntryState {
                    name: name.to_owned(),
                    file: file.to_owned(),
                    plugin: None,
                    error: None,
                },
            })
    }
}

// === impl Entry ===

impl Entry {
    /// Returns whether refused files may be admitted now, although they are the same.
    fn is_due(&self) -> bool {
        self.retry.as_ref().is_some_and(Retry::is_due)
    }

    /// Keeps the last good plugin, and logs each new error of the newest files once.
    fn reject(&mut self, seen: Option<Identity>, error: &AdmissionError) {
        let text = error.to_string();
        if self.state.error.as_deref() != Some(&*text) {
            let effect = match self.state.plugin {
                Some(_) => "the last good version keeps serving",
                None => "no version of it serves",
            };
            tracing::error!(plugin = self.state.name, "{text}; {effect}");
        }
        self.last_seen = seen;
        self.state.error = Some(Arc::from(text));
    }
}
