//! `[plugins]`, checked.

use std::time::Duration;

use witgate_runtime::TrustedKeys;

use super::Check;
use crate::config::Plugins;
use crate::config::file::PluginsFile;
use crate::config::file::endpoints::StateFile;
use crate::config::memory::Memory;

// === impl Check ===

impl Check<'_> {
    pub(super) fn plugins(&mut self, file: PluginsFile, state: &StateFile) -> Plugins {
        let poll = self.millis("plugins.poll_ms", file.poll_ms, Duration::from_secs(1));
        let beside_the_state = || state.directory.as_ref().map(|state| state.join("code"));
        let cache = file.cache.or_else(beside_the_state);
        let mut trusted_keys = TrustedKeys::default();
        if let Some(keys) = file.trusted_keys {
            match TrustedKeys::read(&self.folder.join(keys)) {
                Ok(keys) => trusted_keys = keys,
                Err(error) => self.problem("plugins.trusted_keys", &error.to_string()),
            }
        }
        let memory = Memory::of_machine().origin.for_plugins();
        let memory_bytes = self.bytes("plugins.memory_bytes", file.memory_bytes, memory, 1 << 40);
        Plugins {
            memory_bytes,
            directory: self.existing_folder("plugins.directory", &file.directory),
            required: self.required(file.required),
            poll,
            cache: cache.map(|cache| self.folder.join(cache)),
            trusted_keys,
        }
    }

    fn required(&mut self, names: Vec<String>) -> Vec<String> {
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                self.problem(
                    &format!("plugins.required[{index}]"),
                    "the name of a plugin",
                );
            }
        }
        names.into_iter().filter(|name| !name.is_empty()).collect()
    }
}
