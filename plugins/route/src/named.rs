//! Further models that a request names, as fallbacks or in tools that call a model themselves.
//!
//! The host lists them among the attributes of the head. The upstream itself calls these models, so no rule can send them
//! elsewhere: a rule that blocks a model blocks every request that names it.

use witgate_plugin::types::Refusal;

use crate::facts::{Facts, Model};
use crate::settings::Unmatched;
use crate::{Action, RoutePlugin, Rule};

/// The head attribute that names a further model.
const ALSO: &str = "also.model";

/// The head attribute for a member that lets the upstream choose a further model.
const OPEN: &str = "open.model";

/// Maximum length of a model's name, in bytes.
const MAX_MODEL_BYTES: usize = 1024;

// === impl RoutePlugin ===

impl RoutePlugin {
    /// Refuses a request that names a further model which the rules block, or which has no resource although
    /// `unmatched` requires one.
    pub(crate) fn check_named(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        if let Some(own) = facts.model() {
            check_length(own)?;
        }
        for (name, value) in facts.head_attributes() {
            match *name {
                ALSO => self.check_model(value, facts)?,
                OPEN => self.check_open(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_model(&self, model: &str, facts: &Facts<'_>) -> Result<(), Refusal> {
        check_length(model)?;
        let mut rules = self.rules.iter();
        match rules.find(|rule| rule.holds(facts, Model::Planned(model))) {
            Some(Rule {
                action: Action::Block(refusal),
                ..
            }) => Err(refusal.clone()),
            Some(_) => Ok(()),
            None if self.unmatched == Unmatched::Refuse && self.resource(model).is_none() => {
                Err(Refusal::not_found(format!("model: {model}")))
            }
            None => Ok(()),
        }
    }

    fn check_open(&self, member: &str) -> Result<(), Refusal> {
        let blocks = |rule: &Rule| {
            let Rule { when, action, .. } = rule;
            matches!(action, Action::Block(_))
                && when.iter().any(|condition| condition.tests("model"))
        };
        if self.unmatched == Unmatched::Refuse || self.rules.iter().any(blocks) {
            return Err(Refusal::forbidden(format!(
                "{member}: this lets the upstream choose a model, which this gateway's rules restrict; name the models instead"
            )));
        }
        Ok(())
    }
}

/// Refuses a long name: it becomes part of a rule's name or of a refusal, whose length the host limits.
#[inline(never)]
fn check_length(model: &str) -> Result<(), Refusal> {
    if model.len() > MAX_MODEL_BYTES {
        return Err(Refusal::too_much("model", "1024 bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
