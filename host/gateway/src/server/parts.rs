//! The parts of a gateway that are opened at its start: its plugins and its store.

use std::sync::Arc;

use tokio::task::spawn_blocking;
use witgate_runtime::{Compiler, Policies, PoliciesOptions, Runtime, RuntimeOptions};
use witgate_upstream::SharedResolver;

use super::reload::Prints;
use crate::batches;
use crate::budgets::live::{self, LiveLimits};
use crate::config::Config;
use crate::exchange::view::vocabulary::Vocabulary;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::receipts::Receipts;
use crate::store::{Migration, Store};
use crate::tables::TableFetcher;
use crate::tenants::owners;
use crate::usage::ended::{self, EndedSessions};

/// The migrations of the database, in the order they were released.
const MIGRATIONS: &[Migration] = &[
    owners::MIGRATION,
    batches::MIGRATION,
    batches::KINDS_OF_TOKENS,
    ended::MIGRATION,
    live::MIGRATION,
    live::RESETS,
];

/// Opens everything that a configuration names but the listeners. Returns the gateway, and the prints of the files that it
/// was read from.
///
/// # Errors
///
/// Returns what can't be opened, and why.
pub(super) async fn open(
    config: &Arc<Config>,
    compiler: Option<Compiler>,
    resolver: SharedResolver,
) -> anyhow::Result<(Arc<Gateway>, Prints)> {
    let config = Arc::clone(config);
    // Compiling plugins takes processor time that the runtime's workers need for other tasks.
    let opened = spawn_blocking(move || {
        let prints = Prints::of(&config);
        let snapshot = Snapshot::prepare(Arc::clone(&config), &resolver, None)
            .map_err(|problems| anyhow::anyhow!(problems))?;
        let policies = open_policies(&config, compiler)?;
        let audit = Receipts::open(&config.receipts)?;
        let store = open_store(&config)?;
        let ended_sessions = EndedSessions::open(store.clone())?;
        let live = LiveLimits::open(store.clone())?;
        let gateway = Gateway::new(snapshot, policies, audit, store, ended_sessions, live);
        anyhow::Ok((gateway, prints))
    });
    let (gateway, prints) = opened.await??;
    Ok((Arc::new(gateway), prints))
}

/// Returns the options of a plugin host that treats plugins as the gateway does: the headers that they may see and set,
/// the words that the gateway knows, and tables from URLs.
#[must_use]
pub fn runtime_options() -> RuntimeOptions {
    RuntimeOptions::default()
        .with_secret_headers(crate::exchange::headers::credentials())
        .with_host_headers(crate::exchange::headers::of_the_host())
        .with_response_headers(crate::exchange::headers::that_plugins_may_set())
        .with_vocabulary(Vocabulary)
        .with_fetch(TableFetcher::default())
}

/// Opens the plugin directory of a configuration and admits its plugins.
///
/// # Errors
///
/// Returns an error if the directory can't be read, or this machine can't run WebAssembly. A plugin that is not admitted is
/// no error: it is reported, and no traffic is served while a required one is missing.
pub fn open_policies(config: &Config, compiler: Option<Compiler>) -> anyhow::Result<Policies> {
    let memory_total = usize::try_from(config.plugins.memory_bytes).unwrap_or(usize::MAX);
    let runtime = Runtime::try_new(
        runtime_options()
            .with_cache(config.plugins.cache.clone())
            .with_trusted_keys(config.plugins.trusted_keys.clone())
            .with_compiler(compiler)
            .with_memory_total(memory_total),
    )?;
    let options = PoliciesOptions::default()
        .with_required(config.plugins.required.clone())
        .with_poll(config.plugins.poll);
    Ok(Policies::open(runtime, &config.plugins.directory, options)?)
}

/// Opens the database in the `[state]` directory, or one in memory without a directory.
///
/// # Errors
///
/// The directory can't be written, or its database can't be opened.
fn open_store(config: &Config) -> anyhow::Result<Store> {
    match &config.state {
        Some(state) => Ok(Store::open(&state.directory, MIGRATIONS)?),
        None => {
            tracing::warn!(
                "no [state] directory is set: what budgets have spent, live limits and the owners of containers are forgotten at a \
                 restart, and files, batches and skills are not served"
            );
            Ok(Store::in_memory(MIGRATIONS)?)
        }
    }
}
