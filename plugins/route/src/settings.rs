//! The route plugin's settings.

use serde::Deserialize;
use witgate_plugin::types::Refusal;
use witgate_plugin::{Glob, Problems};

use crate::condition::{ConditionFile, check_all};
use crate::resource::{Place, Resource};
use crate::{Action, RoutePlugin, Rule};

/// `[settings]` of `policies/route.toml`.
#[derive(Debug, Deserialize)]
pub struct Settings {
    /// Treatment of requests that match no rule and no resource.
    #[serde(default)]
    unmatched: Unmatched,
    /// Permission to name an upstream of the host in the model, as `UPSTREAM/MODEL`.
    #[serde(default)]
    direct: bool,
    #[serde(default)]
    rules: Vec<RuleFile>,
    #[serde(default)]
    resources: Vec<ResourceFile>,
}

/// Treatment of requests that match no rule and no resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unmatched {
    /// Makes no plan, so the request goes to the host's default upstream with its own model.
    #[default]
    Pass,
    /// Answers with a 404.
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

/// A resource with its name. It lists the fields of [`Resource`], because flattening would hide unknown keys.
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
    pub(crate) fn check(self) -> Result<RoutePlugin, Problems> {
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
        problems.or(RoutePlugin {
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
                problems.push(format!("{path}.block.status"), "must be from 400 to 599");
            }
            refusal = refusal.status(status);
        }
        match self.code {
            Some(code) => refusal.code(code),
            None => refusal,
        }
    }
}
