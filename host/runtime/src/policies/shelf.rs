//! What is known of each plugin's files: the last good plugin, and what is wrong with the newest bytes.

use super::scan::{self, Listing};
use crate::admission::{AdmissionError, Source};
use crate::engine::Runtime;
use crate::plugin::{Identity, Plugin};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The shelf of a directory.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    listing: Option<Listing>,
    slots: BTreeMap<String, Slot>,
}

/// One name.
#[derive(Debug)]
struct Slot {
    /// The bytes that were last tried, good or bad; none when they could not be read.
    tried: Option<Identity>,
    entry: Entry,
}

/// What is to be seen of a slot.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The last good plugin of this name.
    pub(super) plugin: Option<Arc<Plugin>>,
    /// What is wrong with the newest bytes.
    pub(super) error: Option<Arc<str>>,
}

// === impl Shelf ===

impl Shelf {
    /// Reads the files of a listing. Tells whether the set of plugins changed.
    pub(super) fn update(&mut self, runtime: &Runtime, dir: &Path, listing: Listing) -> bool {
        let before = self.plugins();
        let names: Vec<String> = listing.plugins().map(str::to_owned).collect();
        self.slots.retain(|name, _| names.contains(name));
        for name in names {
            let file = dir.join(format!("{name}.wasm"));
            match Source::read(&file) {
                Ok(source) => self.offer(runtime, &source),
                Err(_) if scan::is_gone(&file) => {
                    self.slots.remove(&name);
                }
                Err(error) => self.slot(&name, &file).refuse(None, &error),
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

    /// Whether the directory may have other content than what was read last. What could not be read may be readable by
    /// now without a trace in the listing.
    pub(super) fn differs(&self, now: Option<&Listing>) -> bool {
        if self.slots.values().any(|slot| slot.tried.is_none()) {
            return true;
        }
        match (&self.listing, now) {
            (Some(then), Some(now)) => then.differs(now),
            (Some(_), None) | (None, _) => true,
        }
    }

    /// The plugins that can serve, by name.
    pub(super) fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.slots
            .values()
            .filter_map(|slot| slot.entry.plugin.as_ref().map(Arc::clone))
            .collect()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.slots.values().map(|slot| slot.entry.clone()).collect()
    }

    /// Admits a plugin's bytes, unless they are those that were tried last.
    fn offer(&mut self, runtime: &Runtime, source: &Source) {
        let identity = source.identity();
        let slot = self.slot(&source.name, &source.file);
        if slot.tried.as_ref() == Some(&identity) {
            return;
        }
        if let Some(serving) = &slot.entry.plugin
            && *serving.identity() == identity
        {
            // A bad file was put back to what serves.
            slot.tried = Some(identity);
            slot.entry.error = None;
            return;
        }
        match runtime.admit(source) {
            Ok(plugin) => {
                tracing::info!(plugin = source.name, sha256 = %identity.wasm, "plugin admitted");
                slot.tried = Some(identity);
                slot.entry.plugin = Some(plugin);
                slot.entry.error = None;
            }
            Err(error) => slot.refuse(Some(identity), &error),
        }
    }

    fn slot(&mut self, name: &str, file: &Path) -> &mut Slot {
        self.slots.entry(name.to_owned()).or_insert_with(|| Slot {
            tried: None,
            entry: Entry {
                name: name.to_owned(),
                file: file.to_owned(),
                plugin: None,
                error: None,
            },
        })
    }
}

// === impl Slot ===

impl Slot {
    /// Keeps the last good plugin, and says once why the newest bytes don't serve.
    fn refuse(&mut self, tried: Option<Identity>, error: &AdmissionError) {
        let text = error.to_string();
        if self.entry.error.as_deref() != Some(&*text) {
            let kept = match self.entry.plugin {
                Some(_) => "the last good one serves on",
                None => "nothing serves in its place",
            };
            tracing::error!(plugin = self.entry.name, "{text}; {kept}");
        }
        self.tried = tried;
        self.entry.error = Some(Arc::from(text));
    }
}
