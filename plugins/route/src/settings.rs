//! The route plugin's settings.

use witgate_plugin::types::Refusal;
use witgate_plugin::{Glob, Problems};

use crate::condition::{ConditionFile, check_all};
use crate::resource::{Place, Resource};
use crate::{Action, RoutePlugin, Rule};

witgate_plugin::settings! {
    /// `[settings]` of `policies/route.toml`.
    #[derive(Debug, Default)]
    pub struct Settings {
        /// Treatment of requests that match no rule and no resource.
        unmatched: Unmatched = Unmatched::default(),
        /// Permission to name an upstream of the host in the model, as `UPSTREAM/MODEL`.
        direct: bool = false,
        rules: Vec<RuleFile>,
        resources: Vec<Resource>,
    }
}

witgate_plugin::words! {
    /// Treatment of requests that match no rule and no resource.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Unmatched {
        /// Makes no plan, so the request goes to the host's default upstream with its own model.
        #[default]
        Pass = "pass",
        /// Answers with a 404.
        Refuse = "refuse",
    }
}

witgate_plugin::settings! {
    #[derive(Debug, Default)]
    struct RuleFile {
        name: String,
        when: Vec<ConditionFile>,
        resource: Option<String>,
        targets: Option<Vec<Place>>,
        block: Option<BlockFile>,
    }
}

witgate_plugin::settings! {
    #[derive(Debug, Default)]
    struct BlockFile {
        message: String,
        status: Option<u16>,
        code: Option<String>,
    }
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<RoutePlugin, Problems> {
        let mut problems = Problems::default();
        let mut resources: Vec<(Glob, Resource)> = Vec::new();
        for (index, mut resource) in self.resources.into_iter().enumerate() {
            let path = format!("resources[{index}]");
            let name = resource.name.take();
            if name.is_none() {
                problems.push(&path, "`name` is missing");
            }
            let name = name.unwrap_or_default();
            if resources.iter().any(|(known, _)| *known == name) {
                problems.push(
                    format!("{path}.name"),
                    format!("there is a resource `{}` already", name.as_str()),
                );
            }
            resource.check(&path, &mut problems);
            resources.push((name, resource));
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
        let when = check_all(&self.when, &format!("{path}.when"), problems);
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
