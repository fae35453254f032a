//! What a gateway is put together from: its plugins, its state, its receipts.

use witgate_runtime::{Policies, PoliciesOptions, Runtime, RuntimeOptions};

use crate::config::Config;
use crate::state::State;
use crate::vocabulary::Vocabulary;

/// Opens the plugin directory of a configuration and admits what is in it.
///
/// # Errors
///
/// The directory can't be read, or this machine can't run WebAssembly. A plugin that is not admitted is no error here:
/// it is reported, and a missing required one refuses traffic.
pub(crate) fn open_policies(config: &Config) -> anyhow::Result<Policies> {
    let runtime = Runtime::try_new(
        RuntimeOptions::default()
            .with_cache(config.plugins.cache.clone())
            .with_trusted_keys(config.plugins.trusted_keys.clone())
            .with_secret_headers(crate::headers::credentials())
            .with_host_headers(crate::headers::of_the_host())
            .with_response_headers(crate::headers::that_plugins_may_set())
            .with_compiler(crate::cli::compiler())
            .with_vocabulary(Vocabulary)
            .with_memory_total(usize::try_from(config.plugins.memory_bytes).unwrap_or(usize::MAX)),
    )?;
    let options = PoliciesOptions::default()
        .with_required(config.plugins.required.clone())
        .with_poll(config.plugins.poll);
    Ok(Policies::open(runtime, &config.plugins.directory, options)?)
}

pub(super) fn open_state(config: &Config) -> anyhow::Result<Option<State>> {
    match &config.state {
        Some(directory) => Ok(Some(State::open(directory)?)),
        None => {
            tracing::warn!(
                "there is no [state] directory: files and batches are not served, and who owns which container is \
                 forgotten at a restart"
            );
            Ok(None)
        }
    }
}
