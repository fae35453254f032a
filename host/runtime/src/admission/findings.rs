//! Everything that is wrong with a plugin on its way.

use super::AdmissionCause;
use witgate_config_file::Problems;

/// The problems so far.
#[derive(Debug)]
pub(super) struct Findings {
    /// In the sidecar, with what the plugin says about its settings there.
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

    /// Returns whether a table of the sidecar has no problem, so that its values hold.
    pub(super) fn knows(&self, table: &str) -> bool {
        !self.sidecar.is_about(table)
    }

    /// Adds a cause. A plugin that can't start may only lack what a wrong sidecar doesn't give it: that is left out.
    pub(super) fn add(&mut self, cause: AdmissionCause) {
        match cause {
            AdmissionCause::Settings(found) if !self.sidecar.is_empty() => {
                self.sidecar.extend(found);
            }
            AdmissionCause::Start(_) if !self.are_empty() => {}
            cause => self.causes.push(cause),
        }
    }

    /// Adds grants that are missing, each of them once.
    pub(super) fn extend(&mut self, missing: Vec<AdmissionCause>) {
        for cause in missing {
            let text = cause.to_string();
            if !self.causes.iter().any(|known| known.to_string() == text) {
                self.causes.push(cause);
            }
        }
    }

    /// All of it as one cause.
    pub(super) fn into_cause(self) -> AdmissionCause {
        let sidecar = self
            .sidecar
            .into_result()
            .err()
            .map(AdmissionCause::Sidecar);
        AdmissionCause::all(sidecar.into_iter().chain(self.causes).collect())
    }
}
