//! The traits that a plugin implements: [`Plugin`], and one for each hook that it has.

use crate::types::{self, Charge, Estimate, Plan, Receipt, Refusal, Remedy, UpstreamStats};
use crate::{Problems, Request};
use serde::de::DeserializeOwned;

/// A plugin: settings, and whatever is made of them once per instance.
pub trait Plugin: Sized + 'static {
    /// The `[settings]` table of the sidecar; [`NoSettings`](crate::NoSettings) where there is nothing to set.
    type Settings: DeserializeOwned;

    /// Make the plugin out of settings whose keys and types are right.
    ///
    /// # Errors
    /// Every problem that is left to find. The host refuses the plugin and shows each with its file and line.
    fn configure(settings: Self::Settings) -> Result<Self, Problems>;
}

/// First hook of a request: who is asking and why.
pub trait Envelope: Plugin {
    /// Read the envelope of a request. Where several plugins have this hook, the first value given for a field stands
    /// and lists are joined.
    ///
    /// # Errors
    /// The answer to the client instead of forwarding.
    fn read(&self, request: &Request<'_>) -> Result<types::Envelope, Refusal>;
}

/// Second hook of a request: where it goes.
pub trait Route: Plugin {
    /// Plan the route. Where several plugins have this hook, the first plan stands; with none at all the request goes
    /// to the host's default upstream with its own model.
    ///
    /// # Errors
    /// The answer to the client instead of forwarding.
    fn decide(
        &self,
        request: &Request<'_>,
        envelope: &types::Envelope,
        upstreams: &[UpstreamStats],
    ) -> Result<Option<Plan>, Refusal>;
}

/// Third hook of a request: whose account it is on.
pub trait Budget: Plugin {
    /// Name the charges. The host reserves all of them or none. Called once more after a downgrade, with the plan and
    /// the estimate of the other model.
    ///
    /// # Errors
    /// The answer to the client instead of forwarding.
    fn charges(
        &self,
        request: &Request<'_>,
        envelope: &types::Envelope,
        plan: &Plan,
        estimate: &Estimate,
    ) -> Result<Vec<Charge>, Refusal>;

    /// Say what happens, now that this charge of the request does not fit. `remaining` is what the window still has, in units.
    /// Without an own word it is a 429 that names the account's kind, the unit and the window.
    fn exhausted(&self, request: &Request<'_>, charge: &Charge, remaining: u64) -> Remedy {
        let _ = (request, remaining);
        Remedy::Refuse(Refusal::exhausted(charge))
    }
}

/// Last hook, off the request path: what is kept of a finished exchange.
pub trait Audit: Plugin {
    /// Turn receipts into what is written, keeping their ids. A receipt that is missing from the answer is written as
    /// it was, and marked.
    fn entries(&self, receipts: Vec<Receipt>) -> Vec<Receipt>;
}
