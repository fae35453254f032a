//! Members of the body that the host could not read.
//!
//! The host forwards a member of a type that it cannot have, because the upstream judges it: `max_tokens` as a string, a
//! `model` that is a list. A rule that tests such a member would be passed by, so the request is refused here.

use crate::facts::Facts;
use crate::settings::Unmatched;
use crate::{Router, Rule};
use witgate_plugin::types::Refusal;

/// What the host's names of such members begin with, among the attributes of the head.
const PREFIX: &str = "unread.";

// === impl Router ===

impl Router {
    /// Refuses a request with a member that cannot be read and that a rule tests, or that resources are named by where
    /// every model has to have one.
    pub(crate) fn can_decide(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        let unread = facts.head().attributes.iter();
        let mut unread = unread.filter_map(|(name, _)| name.strip_prefix(PREFIX));
        match unread.find(|member| self.needs(member, facts)) {
            None => Ok(()),
            Some(member) => Err(Refusal::invalid(format!(
                "{member}: the rules of this gateway decide by it, and it is of a type that they cannot read"
            ))),
        }
    }

    fn needs(&self, member: &str, facts: &Facts<'_>) -> bool {
        let tests = |rule: &Rule| rule.when.iter().any(|condition| condition.tests(member));
        let names = member == "model"
            && self.unmatched == Unmatched::Refuse
            && facts.envelope().resource.is_none();
        names || self.rules.iter().any(tests)
    }
}
