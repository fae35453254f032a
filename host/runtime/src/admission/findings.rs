//! The problems found in a plugin during admission.

use witgate_config_file::{Problem, Problems};

use super::AdmissionCause;

/// The problems found so far.
#[derive(Debug)]
pub(super) struct Findings {
    /// The problems of the sidecar, including those that the plugin found in its settings.
    sidecar: Problems,
    causes: Vec<AdmissionCause>,
}

// === impl Findings ===

impl Findings {
    pub(super) fn new(sidecar: Problems) -> Self {
        Self {
            sidecar,
            causes: Vec::new(),
        }
    }

    pub(super) fn are_empty(&self) -> bool {
        self.sidecar.is_empty() && self.causes.is_empty()
    }

    /// Returns whether a table of the sidecar has no problem, so that its values are reliable.
    pub(super) fn knows(&self, table: &str) -> bool {
        !self.sidecar.is_about(table)
    }

    /// Adds a problem of the sidecar.
    pub(super) fn reject(&mut self, problem: Problem) {
        self.sidecar.push(problem);
    }

    /// Adds a cause. A failed start is left out if there are other problems, since these may have caused it.
    pub(super) fn add(&mut self, cause: AdmissionCause) {
        match cause {
            AdmissionCause::Settings(found) if !self.sidecar.is_empty() => {
                self.sidecar.extend(found);
            }
            AdmissionCause::Start(_) if !self.are_empty() => {}
            cause => self.causes.push(cause),
        }
    }

    /// Adds missing grants, each of them once.
    pub(super) fn extend(&mut self, missing: Vec<AdmissionCause>) {
        for cause in missing {
            let text = cause.to_string();
            if !self.causes.iter().any(|known| known.to_string() == text) {
                self.causes.push(cause);
            }
        }
    }

    /// Combines all problems into one cause.
    pub(super) fn into_cause(self) -> AdmissionCause {
        let sidecar = self
            .sidecar
            .into_result()
            .err()
            .map(AdmissionCause::Sidecar);
        AdmissionCause::all(sidecar.into_iter().chain(self.causes).collect())
    }
}
