//! The route plugin's settings.

use crate::condition::{ConditionFile, check_all};
use crate::resource::{Place, Resource};
use crate::{Action, Router, Rule};
use serde::Deserialize;
use witgate_plugin::types::Refusal;
use witgate_plugin::{Glob, Problems};

/// `[settings]` of `policies/route.toml`.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// What happens where no rule and no resource fits.
    #[serde(default)]
    unmatched: Unmatched,
    /// Whether a model `UPSTREAM/MODEL` goes to that upstream of the host's.
    #[serde(default)]
    direct: bool,
    #[serde(default)]
    rules: Vec<RuleFile>,
    #[serde(default)]
    resources: Vec<ResourceFile>,
}

/// What happens where no rule and no resource fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unmatched {
    /// No plan: the host's default upstream, with the request's own model.
    #[default]
    Pass,
    /// 404.
    Refuse,
}

#[derive(Debug, Deserialize)]
struct RuleFile {
    name: String,
    #[serde(default)]
    when: Vec<ConditionFile>,
    resource: Option<String>,
    targets: Option<Vec<Place>>,
    block: Option<BlockFile>,
}

#[derive(Debug, Deserialize)]
struct BlockFile {
    message: String,
    status: Option<u16>,
    code: Option<String>,
}

/// A resource with its name. The fields are spelled out, because flattening would hide unknown keys.
#[derive(Debug, Deserialize)]
struct ResourceFile {
    name: Glob,
    #[serde(default)]
    targets: Vec<Place>,
    #[serde(default)]
    secondary: Vec<Place>,
    #[serde(default)]
    retry_on: Vec<String>,
    retries: Option<u32>,
    on_client_gone: Option<String>,
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<Router, Problems> {
        let mut problems = Problems::default();
        let mut resources: Vec<(Glob, Resource)> = Vec::new();
        for (index, file) in self.resources.into_iter().enumerate() {
            let path = format!("resources[{index}]");
            if resources.iter().any(|(name, _)| *name == file.name) {
                problems.push(
                    format!("{path}.name"),
                    format!("there is a resource `{}` already", file.name.as_str()),
                );
            }
            let resource = Resource {
                targets: file.targets,
                secondary: file.secondary,
                retry_on: file.retry_on,
                retries: file.retries,
                on_client_gone: file.on_client_gone,
            };
            resource.check(&path, &mut problems);
            resources.push((file.name, resource));
        }
        let mut rules = Vec::new();
        for (index, file) in self.rules.into_iter().enumerate() {
            rules.extend(file.check(&format!("rules[{index}]"), &resources, &mut problems));
        }
        problems.or(Router {
            rules,
            resources,
            direct: self.direct,
            unmatched: self.unmatched,
        })
    }
}

// === impl RuleFile ===

impl RuleFile {
    fn check(
        self,
        path: &str,
        resources: &[(Glob, Resource)],
        problems: &mut Problems,
    ) -> Option<Rule> {
        let when = check_all(self.when, &format!("{path}.when"), problems);
        let action = match (self.resource, self.targets, self.block) {
            (Some(name), None, None) => {
                if !resources.iter().any(|(glob, _)| glob.matches(&name)) {
                    problems.push(
                        format!("{path}.resource"),
                        format!("there is no resource `{name}`"),
                    );
                }
                Action::Use(name)
            }
            (None, Some(targets), None) => {
                let resource = Resource {
                    targets,
                    ..Resource::default()
                };
                resource.check(path, problems);
                Action::Send(resource)
            }
            (None, None, Some(block)) => Action::Block(block.check(path, problems)),
            _ => {
                problems.push(
                    path,
                    "name exactly one of `resource`, `targets` and `block`",
                );
                return None;
            }
        };
        Some(Rule {
            name: self.name,
            when: when?,
            action,
        })
    }
}

// === impl BlockFile ===

impl BlockFile {
    fn check(self, path: &str, problems: &mut Problems) -> Refusal {
        let mut refusal = Refusal::blocked(self.message);
        if let Some(status) = self.status {
            if !(400..=599).contains(&status) {
                problems.push(format!("{path}.block.status"), "has to be from 400 to 599");
            }
            refusal = refusal.status(status);
        }
        match self.code {
            Some(code) => refusal.code(code),
            None => refusal,
        }
    }
}
