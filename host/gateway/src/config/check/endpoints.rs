//! Checks of `[state]`, `[passthrough]`, `[skills]` and `[models]`.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat};
use witgate_messages::PathPattern;

use super::Check;
use crate::config::file::endpoints::{ModelsFile, PassthroughFile, SkillsFile, StateFile};
use crate::config::{Endpoints, Resource};

/// What the API says of a model whose release date it does not know.
const EPOCH: &str = "1970-01-01T00:00:00Z";

// === impl Check ===

impl Check<'_> {
    pub(super) fn state(&mut self, file: &StateFile) -> Option<PathBuf> {
        let path = self.folder.join(file.directory.as_ref()?);
        if path.exists() && !path.is_dir() {
            self.problem(
                "state.directory",
                &format!("{} is not a directory", path.display()),
            );
        }
        Some(path)
    }

    pub(super) fn endpoints(
        &mut self,
        passthrough: &PassthroughFile,
        skills: SkillsFile,
        models: ModelsFile,
    ) -> Endpoints {
        for (index, id) in skills.shared.iter().enumerate() {
            if id.is_empty() {
                self.problem(&format!("skills.shared[{index}]"), "the id of a skill");
            }
        }
        let mut patterns = Vec::with_capacity(passthrough.paths.len());
        for (index, path) in passthrough.paths.iter().enumerate() {
            match PathPattern::parse(path) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.problem(
                    &format!("passthrough.paths[{index}]"),
                    &format!("{path}: {error}"),
                ),
            }
        }
        let mut resources: Vec<Resource> = Vec::with_capacity(models.resource.len());
        for (index, resource) in models.resource.into_iter().enumerate() {
            let at = |key: &str| format!("models.resource[{index}].{key}");
            let known = resources.iter().any(|known| known.id == resource.id);
            if resource.id.is_empty() || known {
                self.problem(&at("id"), "each resource has an id of its own");
            }
            let created_at = resource.created_at.unwrap_or_else(|| EPOCH.into());
            if !is_rfc3339(&created_at) {
                self.problem(&at("created_at"), "a time like 2026-01-01T00:00:00Z");
            }
            resources.push(Resource {
                display_name: resource.display_name.unwrap_or_else(|| resource.id.clone()),
                id: resource.id,
                created_at,
            });
        }
        Endpoints {
            passthrough: patterns,
            shared_skills: skills.shared,
            resources,
        }
    }

    pub(super) fn bytes(&mut self, at: &str, value: Option<u64>, default: u64, most: u64) -> u64 {
        match value {
            None => default,
            Some(bytes) if (1..=most).contains(&bytes) => bytes,
            Some(_) => {
                self.problem(at, &format!("between 1 and {most}"));
                default
            }
        }
    }
}

/// Whether `time` is a time in UTC as lists of models write it: `2026-11-21T16:00:00Z`.
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
            config.state.is_some_and(|path| path.ends_with("state")),
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
