//! Checks of an upstream's credential.

use std::time::Duration;

use super::Check;
use crate::config::file::credential::{CredentialFile, CredentialTable};
use crate::config::{
    Credential, CredentialCommand, CredentialHeader, CredentialSource, OwnCredential,
};

/// How long a command's credential is used that does not say when it expires.
const REFRESH: Duration = Duration::from_secs(300);

// === impl Check ===

impl Check<'_> {
    /// Checks it, and reads what can be read without running anything.
    pub(super) fn credential(&mut self, at: &str, file: CredentialFile) -> Option<Credential> {
        match file {
            CredentialFile::Word(word) if word == "client" => Some(Credential::Client),
            CredentialFile::Word(_) => {
                self.problem(
                    at,
                    "\"client\", or a table with one of `env`, `file` and `command`",
                );
                None
            }
            CredentialFile::Table(table) => self.own_credential(at, table).map(Credential::Own),
        }
    }

    fn own_credential(&mut self, at: &str, file: CredentialTable) -> Option<OwnCredential> {
        let header = match file.header.as_deref() {
            None | Some("x-api-key") => CredentialHeader::ApiKey,
            Some("bearer") => CredentialHeader::Bearer,
            Some(_) => {
                self.problem(&format!("{at}.header"), "x-api-key or bearer");
                return None;
            }
        };
        let command_is_wrong = self.problems.is_about(&format!("{at}.command"));
        if file.refresh_ms.is_some() && file.command.is_none() && !command_is_wrong {
            self.problem(&format!("{at}.refresh_ms"), "goes with `command`");
        }
        let refresh = self.millis(&format!("{at}.refresh_ms"), file.refresh_ms, REFRESH);
        let source = match (file.env, file.file, file.command) {
            (Some(name), None, None) => CredentialSource::Env(name),
            (None, Some(path), None) => CredentialSource::File(self.folder.join(path)),
            (None, None, Some(command)) => {
                CredentialSource::Command(self.command(at, command, refresh)?)
            }
            // One that is there and wrong has been told of.
            (None, None, None) if self.problems.is_about(at) => return None,
            _ => {
                self.problem(at, "name one of `env`, `file` and `command`");
                return None;
            }
        };
        let credential = OwnCredential { source, header };
        if let Some(Err(error)) = credential.read() {
            self.problem(at, &error);
        }
        Some(credential)
    }

    fn command(
        &mut self,
        at: &str,
        command: Vec<String>,
        refresh: Duration,
    ) -> Option<CredentialCommand> {
        let mut words = command.into_iter();
        let Some(program) = words.next().filter(|program| !program.is_empty()) else {
            self.problem(
                &format!("{at}.command"),
                "a program and its arguments, for example [\"vault\", \"read\", \"key\"]",
            );
            return None;
        };
        // A program with a slash in it is a path, relative to the configuration like every other; one without is looked
        // for in the PATH.
        let program = if program.contains('/') {
            self.folder.join(&program).to_string_lossy().into_owned()
        } else {
            program
        };
        Some(CredentialCommand {
            program,
            arguments: words.collect(),
            refresh,
        })
    }
}
