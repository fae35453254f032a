//! The shipped budget plugin: limits per tier, on the accounts of the key, tenant, user, session or a metadata value.
//!
//! It names accounts, limits and amounts; the host counts. All money is in integer pico-USD.

mod money;
mod settings;
mod sorry;

use settings::{Account, Exhausted, Limit, Settings, Unpriced};
use std::collections::BTreeMap;
use witgate_plugin::types::{self, Caller, Charge, Estimate, Plan, Refusal, Remedy, attribute};
use witgate_plugin::{Budget, Plugin, Problems, Request};

/// Names charges.
#[derive(Debug)]
pub struct Purse {
    tiers: BTreeMap<String, Vec<Limit>>,
    default_tier: Option<String>,
    free: Vec<String>,
    unpriced: Unpriced,
}

witgate_plugin::export!(Purse: Budget);

// === impl Purse ===

impl Plugin for Purse {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check()
    }
}

impl Budget for Purse {
    fn charges(
        &self,
        request: &Request<'_>,
        envelope: &types::Envelope,
        plan: &Plan,
        estimate: &Estimate,
    ) -> Result<Vec<Charge>, Refusal> {
        let caller = request.caller();
        let limits = self.limits(&caller);
        if limits.is_empty() || self.is_free(request) {
            return Ok(Vec::new());
        }
        let charge = |limit: &Limit| Charge {
            account: account(&limit.account, &caller, envelope),
            window: limit.window.code().to_owned(),
            unit: limit.unit.code().to_owned(),
            limit: limit.most,
            amount: limit.unit.amount(estimate),
        };
        let unpriced =
            estimate.cost_picousd.is_none() && limits.iter().any(|limit| limit.unit.is_money());
        if unpriced && self.unpriced == Unpriced::Refuse {
            return Err(unpriced_model(request, plan));
        }
        Ok(limits.iter().map(charge).collect())
    }

    fn exhausted(&self, _: &Request<'_>, charge: &Charge, remaining: u64) -> Remedy {
        let limit = self
            .tiers
            .values()
            .flatten()
            .find(|limit| limit.made(charge));
        match limit.map(|limit| &limit.exhausted) {
            Some(Exhausted::Overdraw) => Remedy::Overdraw,
            Some(Exhausted::Downgrade(model)) => Remedy::Downgrade(model.clone()),
            Some(Exhausted::Refuse) | None => Remedy::Refuse(sorry::refusal(charge, remaining)),
        }
    }
}

impl Purse {
    /// Whether the operation is not charged. A request of a batch is one of `messages`, and free where batches are.
    fn is_free(&self, request: &Request<'_>) -> bool {
        let named = |operation: &str| self.free.iter().any(|free| free == operation);
        let of_batch = || attribute(&request.head().attributes, "batch.requests").is_some();
        named(&request.endpoint()) || (named("batches") && of_batch())
    }

    /// The limits of the caller's tier, or of the default one where the tier has no name or none that is known.
    fn limits(&self, caller: &Caller) -> &[Limit] {
        let of = |tier: &Option<String>| self.tiers.get(tier.as_ref()?);
        of(&caller.tier)
            .or_else(|| of(&self.default_tier))
            .map_or(&[], Vec::as_slice)
    }
}

/// The account's name. What the request does not tell is kept apart by key, so that nobody escapes a limit by saying
/// nothing, and nobody pays for another key.
fn account(account: &Account, caller: &Caller, envelope: &types::Envelope) -> String {
    let kind = account.kind();
    let named = match account {
        Account::Key => Some(caller.key_id.as_str()),
        Account::Tenant => envelope.tenant.as_deref().or(caller.tenant.as_deref()),
        Account::User => envelope.user.as_deref().or(caller.user.as_deref()),
        Account::Session => envelope.session.as_deref(),
        Account::Metadata(key) => envelope.metadata(key),
    };
    match named {
        Some(name) => format!("{kind}:{name}"),
        None => format!("{kind}::{}", caller.key_id),
    }
}

fn unpriced_model(request: &Request<'_>, plan: &Plan) -> Refusal {
    let planned = plan.targets.first().and_then(|target| target.model.clone());
    let model = planned.or_else(|| request.head().model).unwrap_or_default();
    Refusal::invalid(format!(
        "The model `{model}` has no price here, so it cannot be used under a spending limit; ask for another model."
    ))
}

#[cfg(test)]
mod tests;
