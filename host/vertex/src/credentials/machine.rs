//! The metadata server of a machine.

use witgate_dialect::{Question, Reach, Secret};

/// The usual host.
const HOST: &str = "metadata.google.internal";

/// The metadata server.
#[derive(Debug, Clone)]
pub struct Machine {
    host: String,
}

// === impl Machine ===

impl Machine {
    /// Returns the usual server, or another one.
    pub(super) fn at(host: Option<&str>) -> Self {
        let host = host.unwrap_or(HOST).to_owned();
        Self { host }
    }

    /// Returns the question for a token.
    pub(super) fn ask(&self) -> Question {
        let host = &self.host;
        let path = "computeMetadata/v1/instance/service-accounts/default/token";
        let question = Question::get(format!("http://{host}/{path}"), Reach::Machine);
        question.with("metadata-flavor", Secret::new("Google"))
    }
}
