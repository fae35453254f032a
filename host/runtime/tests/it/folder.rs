//! A directory of plugins that tests change, and what came of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use witgate_runtime::{Lineup, Plugin, PluginStatus, Policies, PoliciesOptions, Runtime};

use crate::guest::{Guest, PLAN};
use crate::request::{plain, runtime};

/// Never waited for in full unless something is broken.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Folder {
    pub(crate) dir: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file beside its place and renames it, as a deployment should.
    pub(crate) fn rename_in(&self, name: &str, bytes: &[u8]) {
        let hidden = self.path(&format!(".{name}.new"));
        fs::write(&hidden, bytes).unwrap();
        fs::rename(hidden, self.path(name)).unwrap();
    }

    pub(crate) fn open(&self) -> Policies {
        open(self.dir.path())
    }
}

pub(crate) fn open(dir: &Path) -> Policies {
    open_with(dir, runtime())
}

/// With an engine of its own.
pub(crate) fn open_with(dir: &Path, runtime: Runtime) -> Policies {
    open_after(dir, runtime, Duration::from_millis(5))
}

/// After so much quiet that nothing in between is seen.
pub(crate) fn open_slowly(dir: &Path) -> Policies {
    open_slowly_with(dir, runtime())
}

pub(crate) fn open_slowly_with(dir: &Path, runtime: Runtime) -> Policies {
    open_after(dir, runtime, Duration::from_millis(500))
}

fn open_after(dir: &Path, runtime: Runtime, debounce: Duration) -> Policies {
    let options = PoliciesOptions::default()
        .with_poll(Duration::from_millis(20))
        .with_debounce(debounce);
    Policies::open(runtime, dir, options).unwrap()
}

/// Two plugins that can be told apart: one plans, the other doesn't.
pub(crate) fn plans() -> Vec<u8> {
    Guest::route(PLAN).build()
}

pub(crate) fn plans_nothing() -> Vec<u8> {
    Guest::route("").build()
}

pub(crate) fn has_plan(lineup: &Lineup) -> bool {
    lineup
        .begin(plain())
        .route(&Arc::default(), None)
        .expect("it serves")
        .is_some()
}

pub(crate) fn only(lineup: &Lineup) -> Arc<Plugin> {
    assert_eq!(lineup.plugins().len(), 1, "one plugin");
    Arc::clone(&lineup.plugins()[0])
}

pub(crate) fn status(policies: &Policies, name: &str) -> PluginStatus {
    let all = policies.status();
    all.into_iter()
        .find(|status| status.name == name)
        .unwrap_or_else(|| panic!("no status of `{name}`"))
}

/// Waits for a lineup after `generation`.
pub(crate) fn next_lineup(policies: &Policies, generation: u64) -> Arc<Lineup> {
    policies
        .wait(LONG, |progress| progress.generation > generation)
        .expect("the change is seen");
    policies.current()
}
