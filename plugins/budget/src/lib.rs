//! The shipped budget plugin: limits per tier, on accounts of the key, tenant, user, session, workspace, environment, address
//! or a metadata value.
//!
//! The plugin names accounts, limits and amounts, and the host counts. All money is in integer pico-USD.

mod money;
mod refusal;
mod settings;

use std::collections::BTreeMap;

use witgate_plugin::types::{self, Caller, Charge, Estimate, Plan, Refusal, Remedy, attribute};
use witgate_plugin::{Budget, Plugin, Problems, Request};

use self::settings::{Account, Exhausted, Limit, Settings, Unpriced};

/// The budget plugin.
#[derive(Debug)]
pub struct BudgetPlugin {
    tiers: BTreeMap<String, Vec<Limit>>,
    default_tier: Option<String>,
    free: Vec<String>,
    unpriced: Unpriced,
}

witgate_plugin::export!(BudgetPlugin: Budget);

// === impl BudgetPlugin ===

impl Plugin for BudgetPlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check()
    }
}

impl Budget for BudgetPlugin {
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
            Some(Exhausted::Refuse) | None => Remedy::Refuse(refusal::refusal(charge, remaining)),
        }
    }
}

impl BudgetPlugin {
    /// Returns whether the operation is free of charge. The requests of a batch have the endpoint `messages`, and are free if
    /// `batches` are.
    fn is_free(&self, request: &Request<'_>) -> bool {
        let named = |operation: &str| self.free.iter().any(|free| free == operation);
        let of_batch = || attribute(&request.head().attributes, "batch.requests").is_some();
        named(&request.endpoint()) || (named("batches") && of_batch())
    }

    /// Returns the limits of the caller's tier, or of the default tier if the caller has none or an unknown one.
    fn limits(&self, caller: &Caller) -> &[Limit] {
        let of = |tier: &Option<String>| self.tiers.get(tier.as_ref()?);
        of(&caller.tier)
            .or_else(|| of(&self.default_tier))
            .map_or(&[], Vec::as_slice)
    }
}

/// Returns the name of an account. If the request does not name a user, session and so on, the account is the key's own:
/// leaving the name out evades no limit, and no key pays for another one.
fn account(account: &Account, caller: &Caller, envelope: &types::Envelope) -> String {
    let kind = account.kind();
    let workspace = envelope.attribute("workspace");
    let environment;
    let named = match account {
        Account::Key => Some(caller.key_id.as_str()),
        Account::Tenant => envelope.tenant.as_deref().or(caller.tenant.as_deref()),
        Account::User => envelope.user.as_deref().or(caller.user.as_deref()),
        Account::Session => envelope.session.as_deref(),
        Account::Workspace => workspace,
        Account::Environment => {
            let named = workspace.zip(envelope.attribute("environment"));
            environment = named.map(|(workspace, name)| format!("{workspace}/{name}"));
            environment.as_deref()
        }
        Account::Address => envelope.attribute("client.address"),
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
        "The model `{model}` has no price on this gateway, so it cannot be used under a spending limit; use another model."
    ))
}

#[cfg(test)]
mod tests;
