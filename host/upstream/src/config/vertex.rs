//! The keys of an upstream of `kind = "vertex"`.

use std::collections::BTreeMap;

use witgate_config_file::Check;
use witgate_dialect::Policy;
use witgate_vertex::{ModelId, Place};

use super::base_url::BaseUrl;
use super::dialect::file::{DialectFile, OwnKey};
use super::google::{self, GoogleConfig};

/// The settings of an upstream that is Google's Vertex AI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VertexConfig {
    /// Project and location.
    pub place: Place,
    /// Names of the API with the ids that they have here.
    pub models: BTreeMap<String, ModelId>,
    /// Policy for what Vertex AI refuses.
    pub policy: Policy,
    /// Way to tokens, or `None` for a configured credential.
    pub google: Option<GoogleConfig>,
}

// === impl DialectFile ===

impl DialectFile {
    /// Returns the settings and the address, or `None` if no stand-in can be made for a wrong value.
    pub(super) fn vertex(
        mut self,
        own_key: OwnKey,
        check: &mut Check<'_>,
    ) -> Option<(VertexConfig, BaseUrl)> {
        let file = self.google.take();
        let what = "a token of Google's already";
        Self::refuse_both("google", file.is_some(), own_key, what, check);
        let google = match own_key {
            OwnKey::Configured => None,
            OwnKey::None => {
                let google = file.unwrap_or_default().check(&mut check.table("google"));
                if let Err(error) = google.look() {
                    check.problem("google", error);
                }
                Some(google)
            }
        };
        let environment = google::environment();
        let of_file = || google.as_ref().and_then(GoogleConfig::project);
        let project = self
            .project
            .clone()
            .or(environment.project)
            .or_else(of_file);
        let location = self.location.clone().or(environment.location);
        let mut needed = |key, value: &Option<String>, message| {
            if value.is_none() && !check.has_problem(key) {
                check.problem(key, message);
            }
        };
        needed(
            "project",
            &project,
            "is missing, and neither ANTHROPIC_VERTEX_PROJECT_ID, GOOGLE_CLOUD_PROJECT nor the file of credentials has one: set it, for example \"my-project\"",
        );
        needed(
            "location",
            &location,
            "is missing, and CLOUD_ML_REGION is not set: set a region such as \"europe-west1\", or \"global\", \"us\" or \"eu\"",
        );
        // A stand-in for what is missing lets the other one be checked.
        let place = Place::try_new(
            project.as_deref().unwrap_or("missing"),
            location.as_deref().unwrap_or("missing"),
        );
        let place = place.map_err(|error| check.problem(error.what, error.to_string()));
        let place = place
            .ok()
            .filter(|_| project.is_some() && location.is_some());
        let usual = || BaseUrl::parse(&format!("https://{}", place.as_ref()?.host())).ok();
        let base = self.endpoint(usual, check);
        let config = VertexConfig {
            models: self.models(ModelId::try_new, check),
            policy: self.policy(),
            place: place?,
            google,
        };
        Some((config, base?))
    }
}
