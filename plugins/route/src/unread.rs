//! Members of the body that the host could not read.
//!
//! The host forwards a member of a wrong type, such as a string as `max_tokens`, and leaves the verdict to the upstream. A
//! rule could not test such a member, and a caller could evade it that way, so this plugin refuses the request.

use witgate_plugin::types::Refusal;

use crate::facts::Facts;
use crate::settings::Unmatched;
use crate::{RoutePlugin, Rule};

/// Prefix of the head attributes that name such members.
const PREFIX: &str = "unread.";

// === impl RoutePlugin ===

impl RoutePlugin {
    /// Refuses a request with an unreadable member that a rule tests, or with an unreadable `model` if `unmatched` requires a
    /// resource.
    pub(crate) fn can_decide(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        let unread = facts.head_attributes().iter();
        let mut unread = unread.filter_map(|(name, _)| name.strip_prefix(PREFIX));
        match unread.find(|member| self.needs(member, facts)) {
            None => Ok(()),
            Some(member) => Err(Refusal::invalid(format!(
                "{member}: has a type that this gateway's rules cannot test; use the type of the API"
            ))),
        }
    }

    fn needs(&self, member: &str, facts: &Facts<'_>) -> bool {
        let tests = |rule: &Rule| rule.when.iter().any(|condition| condition.tests(member));
        let names = member == "model"
            && self.unmatched == Unmatched::Refuse
            && facts.context().resource().is_none();
        names || self.rules.iter().any(tests)
    }
}
