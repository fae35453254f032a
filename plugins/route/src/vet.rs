//! Applies the rules to each model of a plan, however it got there: by a resource, an index, an override, the name of an
//! upstream, or as a fallback.
//!
//! The order of the rules counts. The rule that made the plan overrules itself and the later rules that match the request
//! anyway; earlier rules, and later ones that match only the planned model, still apply.

use witgate_plugin::types::{Endpoint, Plan, Refusal, Target};

use crate::facts::{Facts, Model};
use crate::{Action, RoutePlugin, Rule};

// === impl RoutePlugin ===

impl RoutePlugin {
    /// Returns the plan without blocked targets, and with the targets of a rule in place of those that it sends elsewhere.
    ///
    /// `acted` is the rule that made the plan. `chosen` means that the caller chose the first target: if that is blocked, the
    /// request is refused instead of falling back.
    ///
    /// # Errors
    ///
    /// Returns the refusal of a rule that blocks the chosen target or all targets.
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
        for (index, target) in plan.targets.into_iter().enumerate() {
            let resource = match self.ruled(&target, acted, facts) {
                None => {
                    keep(&mut kept, target);
                    continue;
                }
                Some(Action::Block(refusal)) if chosen && index == 0 => {
                    return Err(refusal.clone());
                }
                Some(Action::Block(refusal)) => {
                    blocked = blocked.or(Some(refusal));
                    continue;
                }
                Some(Action::Send(resource)) => Some(resource),
                Some(Action::Use(name)) => self.resource(name),
            };
            if let Some(resource) = resource {
                let places = resource.plan(facts, None)?.targets;
                self.keep_all(&mut kept, &mut blocked, places, acted, facts);
            }
        }
        plan.targets = kept;
        match blocked {
            Some(refusal) if plan.targets.is_empty() => Err(refusal.clone()),
            _ => Ok(plan),
        }
    }

    /// Keeps the targets of a rule that are not blocked.
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

    /// Returns the action of the first rule for the model of a target, or `None` if the rules leave the target as it is.
    fn ruled(&self, target: &Target, acted: Option<usize>, facts: &Facts<'_>) -> Option<&Action> {
        let model = target.model.as_deref()?;
        if facts.model() == Some(model) {
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

/// Returns whether the request is for a model. A request for the list of models has a plan, too, but no model.
fn asks_for_a_model(facts: &Facts<'_>) -> bool {
    facts.model().is_some()
        || matches!(
            facts.request().endpoint(),
            Endpoint::Messages | Endpoint::CountTokens
        )
}

/// Adds a target, unless it is in the list.
fn keep(kept: &mut Vec<Target>, target: Target) {
    let same = |it: &Target| it.upstream == target.upstream && it.model == target.model;
    if !kept.iter().any(same) {
        kept.push(target);
    }
}

#[cfg(test)]
mod tests;
