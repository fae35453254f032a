//! The shipped budget plugin: limits per tier, on accounts of the key, tenant, user, session, workspace, environment, address
//! or a metadata value.
//!
//! The plugin names accounts, limits and amounts, and the host counts. All money is in integer pico-USD.

mod money;
mod refusal;
mod settings;

use witgate_plugin::types::{Charge, Estimate, Hook, Interest, Refusal, Remedy};
use witgate_plugin::{Budget, Plugin, Problems, Request, Table};

use self::settings::{Account, Exhausted, Limit, Settings, Unpriced};

/// The budget plugin.
#[derive(Debug)]
pub struct BudgetPlugin {
    tiers: Table<Vec<Limit>>,
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

    /// Operations that are free, and tiers without limits, are charged to nobody.
    fn interests(&self) -> Vec<Interest> {
        let charged = Interest::of(Hook::Budget).except_endpoints(&self.free);
        let limited = self.tiers.iter().filter(|(_, limits)| !limits.is_empty());
        vec![match self.default_tier {
            Some(_) => charged,
            None => charged.tiers(limited.map(|(tier, _)| tier)),
        }]
    }
}

impl Budget for BudgetPlugin {
    fn charges(&self, request: &Request<'_>, estimate: &Estimate) -> Result<Vec<Charge>, Refusal> {
        let limits = self.limits(request.caller().tier());
        if limits.is_empty() || self.is_free(request) {
            return Ok(Vec::new());
        }
        let charge = |limit: &Limit| Charge {
            account: account(&limit.account, request),
            window: limit.window.of_contract(),
            unit: limit.unit.of_contract(),
            limit: limit.most,
            amount: limit.unit.amount(estimate),
            reserve: limit.reserve.of_contract(),
            overrun: limit.exhausted.overrun(),
        };
        let unpriced =
            estimate.cost_picousd.is_none() && limits.iter().any(|limit| limit.unit.is_money());
        if unpriced && self.unpriced == Unpriced::Refuse {
            return Err(unpriced_model(request));
        }
        Ok(limits.iter().map(charge).collect())
    }

    fn exhausted(&self, _: &Request<'_>, charge: &Charge, remaining: u64) -> Remedy {
        let limit = self
            .tiers
            .iter()
            .flat_map(|(_, limits)| limits)
            .find(|limit| limit.made(charge));
        match limit.map(|limit| &limit.exhausted) {
            Some(Exhausted::Overdraw) => Remedy::Overdraw,
            Some(Exhausted::Downgrade(model)) => Remedy::Downgrade(model.clone()),
            Some(Exhausted::Finish) if remaining > 0 => Remedy::Overdraw,
            _ => Remedy::Refuse(refusal::refusal(charge, remaining)),
        }
    }
}

impl BudgetPlugin {
    /// Returns whether the operation is free of charge. The requests of a batch have the endpoint `messages`, and are free if
    /// `batches` are.
    fn is_free(&self, request: &Request<'_>) -> bool {
        let named = |operation: &str| self.free.iter().any(|free| free == operation);
        let of_batch = || {
            let facts = request.head_attributes();
            facts.iter().any(|(name, _)| *name == "batch.requests")
        };
        named(request.endpoint().code()) || (named("batches") && of_batch())
    }

    /// Returns the limits of the caller's tier, or of the default tier if the caller has none or an unknown one.
    fn limits(&self, tier: Option<&str>) -> &[Limit] {
        let of = |tier: Option<&str>| self.tiers.get(tier?);
        of(tier)
            .or_else(|| of(self.default_tier.as_deref()))
            .map_or(&[], Vec::as_slice)
    }
}

/// Returns the name of an account. If the request does not name a user, session and so on, the account is the key's own:
/// leaving the name out evades no limit, and no key pays for another one.
fn account(account: &Account, request: &Request<'_>) -> String {
    let (kind, context) = (account.kind(), request.context());
    let environment;
    let named = match account {
        Account::Key => Some(request.caller().key_id()),
        Account::Tenant => context.tenant(),
        Account::User => context.user(),
        Account::Session => context.session(),
        Account::Workspace => context.attribute("workspace"),
        Account::Environment => {
            let workspace = context.attribute("workspace");
            let named = workspace.zip(context.attribute("environment"));
            environment = named.map(|(workspace, name)| format!("{workspace}/{name}"));
            environment.as_deref()
        }
        Account::Address => context.attribute("client.address"),
        Account::Metadata(key) => context.metadata(key),
    };
    match named {
        Some(name) => format!("{kind}:{name}"),
        None => format!("{kind}::{}", request.caller().key_id()),
    }
}

fn unpriced_model(request: &Request<'_>) -> Refusal {
    let planned = request.planned().target(0).and_then(|target| target.model);
    let model = planned.or_else(|| request.head().model).unwrap_or_default();
    Refusal::invalid(format!(
        "The model `{model}` has no price on this gateway, so it cannot be used under a spending limit; use another model."
    ))
}

#[cfg(test)]
mod tests;
