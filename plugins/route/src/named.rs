//! Models that a request names, first of all those beside its own: of fallbacks, of tools that ask a model themselves.
//!
//! The host tells them among the attributes of the head. None of them can be led elsewhere, since it is the upstream that
//! asks them; so a rule that blocks a model blocks the request that names it.

use crate::facts::{Facts, Model};
use crate::settings::Unmatched;
use crate::{Action, Router, Rule};
use witgate_plugin::types::Refusal;

/// The host's name for a further model.
const ALSO: &str = "also.model";

/// The host's name for a member that leaves it to the upstream to choose a further model.
const OPEN: &str = "open.model";

/// Longest name of a model, in bytes.
const LONGEST: usize = 1024;

// === impl Router ===

impl Router {
    /// Refuses a request for a further model that the rules block, or that none of the resources is for where every model
    /// has to have one.
    pub(crate) fn check_named(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        // It becomes a rule's name or part of a refusal, and both have to fit into what may be returned.
        let own = facts.head().model.as_ref();
        if own.is_some_and(|model| model.len() > LONGEST) {
            return Err(Refusal::too_much("model", &format!("{LONGEST} bytes")));
        }
        for (name, value) in &facts.head().attributes {
            match name.as_str() {
                ALSO => self.check_model(value, facts)?,
                OPEN => self.check_open(value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_model(&self, model: &str, facts: &Facts<'_>) -> Result<(), Refusal> {
        let mut rules = self.rules.iter();
        if model.len() > LONGEST {
            return Err(Refusal::too_much("model", &format!("{LONGEST} bytes")));
        }
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
                "{member}: this leaves the choice of a model to the upstream, and the rules of this gateway have a say in it: name the models"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
