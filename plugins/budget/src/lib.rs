//! The shipped budget plugin: limits per tier and for single accounts, in any dimension of a request.
//!
//! The plugin names accounts, limits and amounts, and the host counts. All money is in integer pico-USD.

mod money;
mod refusal;
mod settings;

use std::rc::Rc;

use witgate_plugin::types::{Charge, Estimate, Hook, Interest, Refusal, Remedy, Rest, Window};
use witgate_plugin::{Budget, Plugin, Problems, Request, Table};

use self::settings::{Exceptions, Exhausted, Limit, Settings, Unpriced, model};

/// The budget plugin.
#[derive(Debug)]
pub struct BudgetPlugin {
    tiers: Table<Vec<Rc<Limit>>>,
    exceptions: Vec<Exceptions>,
    /// The limits of tiers and exceptions.
    all: Vec<Rc<Limit>>,
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
        if self.default_tier.is_some() || !self.exceptions.is_empty() {
            return vec![charged];
        }
        let limited = self.tiers.iter().filter(|(_, limits)| !limits.is_empty());
        vec![charged.tiers(limited.map(|(tier, _)| tier))]
    }

    fn windows(&self) -> Vec<Window> {
        self.all.iter().map(|limit| limit.window.clone()).collect()
    }
}

impl Budget for BudgetPlugin {
    fn charges(&self, request: &Request<'_>, estimate: &Estimate) -> Result<Vec<Charge>, Refusal> {
        let of_tier = self.limits(request.caller().tier());
        if (of_tier.is_empty() && self.exceptions.is_empty()) || self.is_free(request) {
            return Ok(Vec::new());
        }
        let mut limits: Vec<(&Limit, String)> = Vec::new();
        for of_kind in &self.exceptions {
            let account = of_kind.account.of(request);
            let meant = of_kind.limits.iter().filter(|limit| limit.is_for(&account));
            limits.extend(meant.map(|limit| (&**limit, account.clone())));
        }
        let exceptions = limits.len();
        for limit in of_tier {
            let mut excepted = limits.iter().take(exceptions);
            if !excepted.any(|(other, _)| other.counts_like(limit)) {
                limits.push((limit, limit.account.of(request)));
            }
        }
        let unpriced = estimate.cost_picousd.is_none()
            && limits.iter().any(|(limit, _)| limit.unit.is_money());
        if unpriced && self.unpriced == Unpriced::Refuse {
            return Err(unpriced_model(request));
        }
        let limits = limits.into_iter();
        Ok(limits
            .map(|(limit, account)| limit.charge(account, estimate))
            .collect())
    }

    fn exhausted(&self, request: &Request<'_>, charge: &Charge, rest: Rest) -> Remedy {
        // The limit of the charge may be the operator's, so its amount tells nothing.
        let excepted = self.exceptions.iter().flat_map(|of_kind| &of_kind.limits);
        let of_tier = self.limits(request.caller().tier()).iter();
        let limit = excepted.chain(of_tier).find(|limit| limit.made(charge));
        match limit.map(|limit| &limit.exhausted) {
            Some(Exhausted::Overdraw) => Remedy::Overdraw,
            Some(Exhausted::Downgrade(model)) => Remedy::Downgrade(model.clone()),
            Some(Exhausted::Finish) if rest.remaining > 0 => Remedy::Overdraw,
            _ => Remedy::Refuse(refusal::refusal(charge, rest)),
        }
    }
}

impl BudgetPlugin {
    /// Returns whether the request is one of a batch and these are free of charge. Such a request has the endpoint `messages`.
    /// The host does not call this plugin for other operations that are free.
    fn is_free(&self, request: &Request<'_>) -> bool {
        let of_batch = || {
            let facts = request.head_attributes();
            facts.iter().any(|(name, _)| *name == "batch.requests")
        };
        self.free.iter().any(|free| free == "batches") && of_batch()
    }

    /// Returns the limits of the caller's tier, or of the default tier if the caller has none or an unknown one.
    fn limits(&self, tier: Option<&str>) -> &[Rc<Limit>] {
        let of = |tier: Option<&str>| self.tiers.get(tier?);
        of(tier)
            .or_else(|| of(self.default_tier.as_deref()))
            .map_or(&[], Vec::as_slice)
    }
}

fn unpriced_model(request: &Request<'_>) -> Refusal {
    let model = model(request).unwrap_or_default();
    Refusal::invalid(format!(
        "The model `{model}` has no price on this gateway, so it cannot be used under a spending limit; use another model."
    ))
}

#[cfg(test)]
mod tests;
