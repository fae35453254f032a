//! What a gateway is put together from: its plugins, its state, its receipts.

use witgate_runtime::{Compiler, Policies, PoliciesOptions, Runtime, RuntimeOptions};

use crate::batches;
use crate::config::Config;
use crate::store::{Migration, State};
use crate::tenants::owners;
use crate::view::vocabulary::Vocabulary;

/// The migrations of the database, in the order they were released.
const MIGRATIONS: &[Migration] = &[owners::MIGRATION, batches::MIGRATION];

/// Returns the options of a plugin host that treats plugins as the gateway does: the headers that they may see and set,
/// and the words that mean something to it.
#[must_use]
pub fn runtime_options() -> RuntimeOptions {
    RuntimeOptions::default()
        .with_secret_headers(crate::headers::credentials())
        .with_host_headers(crate::headers::of_the_host())
        .with_response_headers(crate::headers::that_plugins_may_set())
        .with_vocabulary(Vocabulary)
}

/// Opens the plugin directory of a configuration and admits what is in it.
///
/// # Errors
///
/// The directory can't be read, or this machine can't run WebAssembly. A plugin that is not admitted is no error here:
/// it is reported, and a missing required one refuses traffic.
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

pub(crate) fn open_state(config: &Config) -> anyhow::Result<Option<State>> {
    match &config.state {
        Some(directory) => Ok(Some(State::open(directory, MIGRATIONS)?)),
        None => {
            tracing::warn!(
                "there is no [state] directory: files and batches are not served, and who owns which container is \
                 forgotten at a restart"
            );
            Ok(None)
        }
    }
}
