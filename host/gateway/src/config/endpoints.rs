//! `[passthrough]`, `[skills]` and `[models]`: what is served besides Messages.

use chrono::{DateTime, SecondsFormat};
use serde::Deserialize;
use witgate_config_file::Check;
use witgate_messages::PathPattern;

/// The creation time that the API gives a model whose release date it does not know.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// The endpoints, skills and models that are served besides the API's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Paths that are passed through unchanged.
    pub passthrough: Vec<PathPattern>,
    /// Ids of the skills that every tenant may use.
    pub shared_skills: Vec<String>,
    /// Logical models, listed beside the upstream's models.
    pub resources: Vec<Resource>,
}

/// A logical model: a name that the route plugin maps to models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Name in requests.
    pub id: String,
    /// Name for people.
    pub display_name: String,
    /// Creation time in RFC 3339.
    pub created_at: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PassthroughFile {
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct SkillsFile {
    #[serde(default)]
    shared: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelsFile {
    #[serde(default)]
    resource: Vec<ResourceFile>,
}

#[derive(Debug, Deserialize)]
struct ResourceFile {
    id: String,
    display_name: Option<String>,
    created_at: Option<String>,
}

// === impl Endpoints ===

impl Endpoints {
    /// Checks the three tables. `check` is the check of the root.
    pub(super) fn check(
        passthrough: &PassthroughFile,
        skills: SkillsFile,
        models: ModelsFile,
        check: &mut Check<'_>,
    ) -> Self {
        Self {
            passthrough: passthrough.check(&mut check.table("passthrough")),
            shared_skills: skills.check(&mut check.table("skills")),
            resources: models.check(&mut check.table("models")),
        }
    }

    /// Returns whether a path is passed through.
    #[must_use]
    pub fn pass(&self, path: &str) -> bool {
        self.passthrough.iter().any(|pattern| pattern.matches(path))
    }

    /// Returns the logical model with this id, or `None` if there is none.
    #[must_use]
    pub fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == id)
    }
}

// === impl PassthroughFile ===

impl PassthroughFile {
    fn check(&self, check: &mut Check<'_>) -> Vec<PathPattern> {
        let mut patterns = Vec::with_capacity(self.paths.len());
        for (index, path) in self.paths.iter().enumerate() {
            match PathPattern::parse(path) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => check.problem(&format!("paths[{index}]"), format!("{path}: {error}")),
            }
        }
        patterns
    }
}

// === impl SkillsFile ===

impl SkillsFile {
    fn check(self, check: &mut Check<'_>) -> Vec<String> {
        let message = "must be the id of a skill";
        check.each("shared", self.shared, message, |id| {
            (!id.is_empty()).then_some(id)
        })
    }
}

// === impl ModelsFile ===

impl ModelsFile {
    fn check(self, check: &mut Check<'_>) -> Vec<Resource> {
        let mut resources: Vec<Resource> = Vec::with_capacity(self.resource.len());
        for (index, resource) in self.resource.into_iter().enumerate() {
            let mut check = check.table(&format!("resource[{index}]"));
            if resource.id.is_empty() {
                check.problem("id", "must not be empty");
            }
            if resources.iter().any(|known| known.id == resource.id) {
                check.problem("id", "must be unique; another resource has the same id");
            }
            let created_at = resource.created_at.unwrap_or_else(|| EPOCH.into());
            if !is_rfc3339(&created_at) {
                check.problem("created_at", "must be a time such as 2026-01-01T00:00:00Z");
            }
            resources.push(Resource {
                display_name: resource.display_name.unwrap_or_else(|| resource.id.clone()),
                id: resource.id,
                created_at,
            });
        }
        resources
    }
}

/// Returns whether `time` is a time in UTC as lists of models write it: `2026-11-21T16:00:00Z`.
fn is_rfc3339(time: &str) -> bool {
    DateTime::parse_from_rfc3339(time)
        .is_ok_and(|read| read.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true) == time)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    const BASE: &str = "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \".\"\n\
                        [upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\n";

    fn parse(more: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.toml");
        Config::parse(Path::new(&path), &format!("{BASE}{more}")).map_err(|error| error.to_string())
    }

    #[test]
    fn resources_and_patterns_are_read_with_their_defaults() {
        let config = parse(
            "[passthrough]\npaths = [\"/v1/agents\", \"/v1/agents/**\"]\n[state]\ndirectory = \"state\"\n\
             [[models.resource]]\nid = \"balanced\"\n[limits]\nupload_bytes = 10\nbatch_bytes = 20\n",
        )
        .unwrap();
        let resource = config.endpoints.resource("balanced").unwrap();
        assert_eq!(
            (resource.display_name.as_str(), resource.created_at.as_str()),
            ("balanced", super::EPOCH),
            "what is not said"
        );
        assert!(config.endpoints.pass("/v1/agents/x/y"), "the pattern holds");
        assert!(
            config
                .state
                .is_some_and(|state| state.directory.ends_with("state")),
            "the state's directory need not be there yet"
        );
        assert_eq!(
            (config.limits.upload_bytes, config.limits.batch_bytes),
            (10, 20),
            "limits of their own"
        );
    }

    #[test]
    fn a_resource_was_created_at_a_time_that_exists() {
        for time in ["2026-11-21T16:00:00Z", "2024-02-29T00:00:00Z"] {
            assert!(super::is_rfc3339(time), "{time}");
        }
        for time in [
            "9999-99-99T99:99:99Z",
            "2026-02-29T00:00:00Z",
            "2026-11-21T16:00:00+01:00",
            "2026-11-21t16:00:00z",
            "2026-11-21T16:00:00.5Z",
            "2026-11-21",
        ] {
            assert!(!super::is_rfc3339(time), "{time}");
        }
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let problems = parse(
            "[passthrough]\npaths = [\"/v1/agents\", \"/v1/organizations/**\", \"agents\"]\n[models]\n\
             [[models.resource]]\nid = \"a\"\ncreated_at = \"today\"\n[[models.resource]]\nid = \"a\"\ncolour = 1\n\
             [limits]\nupload_bytes = 0\n",
        )
        .unwrap_err();
        for told in [
            "passthrough.paths[1]",
            "/v1/organizations is never passed through",
            "passthrough.paths[2]",
            "models.resource[0].created_at",
            "models.resource[1].id",
            "colour",
            "limits.upload_bytes",
        ] {
            assert!(problems.contains(told), "{told} is told in:\n{problems}");
        }
    }
}
