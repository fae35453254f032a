//! Conditions of the hook `audit`, which are decided after the exchange.

use super::{Condition, has};
use crate::contract::lifecycle::{self, Interest};
use crate::contract::{Envelope, SettingsProblem};
use crate::pattern::Pattern;

/// The facts of a finished exchange that conditions of the hook `audit` are about.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExchangeFacts<'a> {
    /// Set if everything is known, so that an absent fact is none. Otherwise conditions on absent facts hold.
    pub are_complete: bool,
    /// The requested operation as an open code, such as `messages`.
    pub endpoint: Option<&'a str>,
    /// The caller's tier.
    pub tier: Option<&'a str>,
    /// The result of the envelope hooks.
    pub context: Option<&'a Envelope>,
    /// The `model` member of the body.
    pub model: Option<&'a str>,
    /// Set if the exchange may have been about further models. Conditions on models hold then.
    pub had_other_models: bool,
}

/// Returns the problem of conditions that nothing on a receipt decides.
pub(super) fn unknown(given: &[Interest]) -> Option<SettingsProblem> {
    let is_unknown = |interest: &Interest| {
        interest.hook == lifecycle::Hook::Audit
            && (interest.headers.is_some() || interest.members.is_some())
    };
    given.iter().any(is_unknown).then(|| SettingsProblem {
        path: String::new(),
        message: "the plugin is interested in receipts by headers or by members of the body, which receipts do not have; use endpoints, models, tiers, attributes or `secondary-index` for the hook `audit`".to_owned(),
    })
}

// === impl Condition ===

impl Condition {
    /// Returns whether the condition holds for a finished exchange, or can't be decided.
    pub(super) fn holds_after(&self, exchange: &ExchangeFacts<'_>) -> bool {
        let is_one_of = |list: &[Box<str>], fact: Option<&str>| match fact {
            Some(fact) => has(list, fact),
            // Nothing is one of no values.
            None => !exchange.are_complete && !list.is_empty(),
        };
        self.endpoints
            .as_ref()
            .is_none_or(|list| is_one_of(list, exchange.endpoint))
            && !exchange
                .endpoint
                .is_some_and(|endpoint| has(&self.except_endpoints, endpoint))
            && self
                .tiers
                .as_ref()
                .is_none_or(|list| is_one_of(list, exchange.tier))
            && self.had_context(exchange)
            && self
                .models
                .as_ref()
                .is_none_or(|patterns| had_model(patterns, exchange))
    }

    fn had_context(&self, exchange: &ExchangeFacts<'_>) -> bool {
        if exchange.context.is_none() && !exchange.are_complete {
            return self
                .attributes
                .as_ref()
                .is_none_or(|names| !names.is_empty());
        }
        self.has_attribute(exchange.context) && self.has_secondary_index(exchange.context)
    }
}

fn had_model(patterns: &[Pattern], exchange: &ExchangeFacts<'_>) -> bool {
    let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    let resource = exchange.context.and_then(|it| it.resource.as_deref());
    resource.is_some_and(matches)
        || match exchange.model {
            Some(model) => matches(model),
            None if exchange.are_complete => patterns.iter().any(Pattern::is_any),
            None => !patterns.is_empty(),
        }
        || (exchange.had_other_models && !patterns.is_empty())
}
