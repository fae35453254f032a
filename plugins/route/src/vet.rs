//! Rules hold for the model that a request would be sent to, whichever way it got into the plan: by a resource, an index, an
//! override, the name of an upstream, or as a fallback.
//!
//! The order of the rules is the operator's word. What the rule that made the plan has decided stands, and so does what it
//! decided over the rules behind it that hold for the request anyway.

use crate::facts::{Facts, Model};
use crate::{Action, Router, Rule};
use witgate_plugin::types::{Plan, Refusal, Target};

// === impl Router ===

impl Router {
    /// The plan without the targets that a rule blocks, and with those of another rule in the place of what it sends
    /// elsewhere. `acted` is the rule that made the plan; `chosen` says that the caller has chosen the first target, which
    /// is then refused rather than left out.
    pub(crate) fn vet(
        &self,
        mut plan: Plan,
        acted: Option<usize>,
        chosen: bool,
        facts: &Facts<'_>,
    ) -> Result<Plan, Refusal> {
        if self.rules.is_empty() || !asks_for_a_model(facts) {
            return Ok(plan);
        }
        let mut kept = Vec::with_capacity(plan.targets.len());
        let mut blocked = None;
        for (index, target) in plan.targets.drain(..).enumerate() {
            match self.ruled(&target, acted, facts) {
                None => keep(&mut kept, target),
                Some(Action::Block(refusal)) if chosen && index == 0 => {
                    return Err(refusal.clone());
                }
                Some(Action::Block(refusal)) => blocked = blocked.or(Some(refusal)),
                Some(Action::Send(resource)) => {
                    let places = resource.plan(facts, None)?.targets;
                    self.keep_all(&mut kept, &mut blocked, places, acted, facts);
                }
                Some(Action::Use(name)) => {
                    if let Some(resource) = self.resource(name) {
                        let places = resource.plan(facts, None)?.targets;
                        self.keep_all(&mut kept, &mut blocked, places, acted, facts);
                    }
                }
            }
        }
        plan.targets = kept;
        match blocked {
            Some(refusal) if plan.targets.is_empty() => Err(refusal.clone()),
            _ => Ok(plan),
        }
    }

    /// Keeps the targets that a rule has led to, but for those that are blocked.
    fn keep_all<'a>(
        &'a self,
        kept: &mut Vec<Target>,
        blocked: &mut Option<&'a Refusal>,
        targets: Vec<Target>,
        acted: Option<usize>,
        facts: &Facts<'_>,
    ) {
        for target in targets {
            match self.ruled(&target, acted, facts) {
                Some(Action::Block(refusal)) => *blocked = blocked.or(Some(refusal)),
                _ => keep(kept, target),
            }
        }
    }

    /// What a rule does with requests for the model of this target, if there is one that the rules have not decided over
    /// already.
    fn ruled(&self, target: &Target, acted: Option<usize>, facts: &Facts<'_>) -> Option<&Action> {
        let model = target.model.as_deref()?;
        if facts.head().model.as_deref() == Some(model) {
            return None;
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.holds(facts, Model::Planned(model)) {
                continue;
            }
            if acted == Some(index) {
                return None;
            }
            if acted.is_none_or(|acted| index < acted) || !rule.holds(facts, Model::Asked) {
                let Rule { action, .. } = rule;
                return Some(action);
            }
        }
        None
    }
}

/// Whether the request is for a model. A list of models has a plan too, in which a model means nothing.
fn asks_for_a_model(facts: &Facts<'_>) -> bool {
    facts.head().model.is_some() || matches!(facts.endpoint().as_str(), "messages" | "count-tokens")
}

/// Keeps a target, once.
fn keep(kept: &mut Vec<Target>, target: Target) {
    let same = |it: &Target| it.upstream == target.upstream && it.model == target.model;
    if !kept.iter().any(same) {
        kept.push(target);
    }
}

#[cfg(test)]
mod tests;
