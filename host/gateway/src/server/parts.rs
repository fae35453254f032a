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
    RuntimeOptions {
        secret_headers: crate::headers::credentials(),
        host_headers: crate::headers::of_the_host(),
        answer_headers: Some(crate::headers::that_plugins_may_set()),
        vocabulary: Vocabulary.into(),
        ..RuntimeOptions::default()
    }
}

/// Opens the plugin directory of a configuration and admits what is in it.
///
/// # Errors
///
/// The directory can't be read, or this machine can't run WebAssembly. A plugin that is not admitted is no error here:
/// it is reported, and a missing required one refuses traffic.
pub fn open_policies(config: &Config, compiler: Option<Compiler>) -> anyhow::Result<Policies> {
    let runtime = Runtime::try_new(RuntimeOptions {
        cache: config.plugins.cache.clone(),
        trusted_keys: config.plugins.trusted_keys.clone(),
        compiler,
        memory_total: usize::try_from(config.plugins.memory_bytes).unwrap_or(usize::MAX),
        ..runtime_options()
    })?;
    let options = PoliciesOptions {
        required: config.plugins.required.clone(),
        poll: config.plugins.poll,
        ..PoliciesOptions::default()
    };
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
