//! Warnings about a valid configuration: switches that open what is closed by default, and commands that need an init.

use super::{Config, Content, Credential, CredentialSource, Keys};

/// Id of the process that adopts orphaned processes.
const INIT: u32 = 1;

// === impl Config ===

impl Config {
    /// Returns the warnings about a gateway that runs with this configuration as the process with this id. Each says what
    /// to do.
    fn warnings(&self, process: u32) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.keys == Keys::Open {
            warnings.push(format!(
                "keys.insecure_open is set: every caller that reaches {} is served without a key, at your expense; to \
                 require keys, replace it by `file` in [keys]",
                self.listen.address
            ));
        }
        let admin = self.admin.as_ref().map(|admin| admin.address);
        if let Some(address) = admin.filter(|address| !address.ip().is_loopback()) {
            warnings.push(format!(
                "admin.insecure_public is set: everyone who reaches {address} can read accounts, upstreams and plugins \
                 without a key; to prevent it, use a loopback address in `address` of [admin]"
            ));
        }
        if let Some(capture) = &self.capture
            && capture.content == Content::Kept
        {
            warnings.push(format!(
                "capture.insecure_content is set: the text of prompts and responses is recorded in {}; to mask it, \
                 remove the key",
                capture.directory.display()
            ));
        }
        let runs_commands = self.upstreams.iter().any(|upstream| {
            let own = match &upstream.credential {
                Some(Credential::Own(own)) => Some(own),
                Some(Credential::Client) | None => None,
            };
            let pool = upstream.credentials.iter().map(|pooled| &pooled.own);
            let mut all = own.into_iter().chain(pool);
            all.any(|own| matches!(own.source, CredentialSource::Command(_)))
        });
        if runs_commands && process == INIT {
            warnings.push(
                "the gateway is process 1 and runs credential commands, but does not reap the orphaned processes that \
                 they leave behind; start it under an init (docker run --init, tini)"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Logs the warnings about this configuration.
    pub(crate) fn warn(&self) {
        for warning in self.warnings(std::process::id()) {
            tracing::warn!("{warning}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    fn config(keys: &str, admin: &str, more: &str) -> Config {
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[admin]\n{admin}\n[keys]\n{keys}\n[plugins]\ndirectory = \".\"\n{more}\n\
             [upstreams.a]\nbase_url = \"http://127.0.0.1:9\"\ncredential = {{ command = [\"true\"] }}\n"
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("witgate.toml");
        Config::parse(&path, &text).unwrap()
    }

    #[test]
    fn every_open_switch_is_warned_of_with_its_name() {
        let closed = config("file = \"Cargo.toml\"", "address = \"127.0.0.1:0\"", "");
        assert_eq!(closed.warnings(2), [""; 0], "nothing is open");
        let open = config(
            "insecure_open = true",
            "address = \"0.0.0.0:0\"\ninsecure_public = true",
            "[capture]\ndir = \"captured\"\ninsecure_content = true",
        );
        let warnings = open.warnings(2);
        let named = [
            "keys.insecure_open",
            "admin.insecure_public",
            "capture.insecure_content",
        ];
        assert_eq!(warnings.len(), named.len(), "{warnings:?}");
        for (warning, name) in warnings.iter().zip(named) {
            assert!(warning.starts_with(name), "{name}: {warning}");
        }
    }

    #[test]
    fn process_1_is_warned_of_commands_that_may_leave_children_behind() {
        let config = config("file = \"Cargo.toml\"", "address = \"127.0.0.1:0\"", "");
        let warnings = config.warnings(INIT);
        assert!(
            warnings.len() == 1 && warnings[0].contains("process 1"),
            "{warnings:?}"
        );
    }
}
