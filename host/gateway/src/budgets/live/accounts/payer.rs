//! The facts of a request that its accounts are named by.

use std::borrow::Cow;

use witgate_runtime::{Envelope, Plan, Request, Target};

use super::kind::Dimension;
use crate::tenants::keys::Caller;

/// The party that a request is charged to, and the place where it goes.
pub(crate) struct Payer<'a> {
    pub(super) caller: &'a Caller,
    envelope: &'a Envelope,
    /// The first target of the plan.
    target: Option<&'a Target>,
    /// The model that the request names.
    model: Option<Cow<'a, str>>,
}

// === impl Payer ===

impl<'a> Payer<'a> {
    /// Returns the payer of a request, of which the first target of its plan is charged.
    pub(crate) fn new(
        caller: &'a Caller,
        envelope: &'a Envelope,
        plan: &'a Plan,
        request: &'a dyn Request,
    ) -> Self {
        Self {
            caller,
            envelope,
            target: plan.targets.first(),
            model: request.model(),
        }
    }

    /// Returns the payer of a request of which only the caller is known.
    pub(crate) fn of_caller(caller: &'a Caller, envelope: &'a Envelope) -> Self {
        Self {
            caller,
            envelope,
            target: None,
            model: None,
        }
    }

    /// Returns the name that the request has in a dimension, and the parent within which the name means something.
    pub(super) fn name(&self, dimension: &Dimension) -> (Option<&str>, Option<&str>) {
        let Self {
            caller, envelope, ..
        } = self;
        let tenant = envelope.tenant.as_deref();
        match dimension {
            Dimension::Key => (None, Some(&caller.id)),
            Dimension::Organization => (None, value(&caller.labels, "organization")),
            Dimension::Label(name) => (None, value(&caller.labels, name)),
            Dimension::Tenant => (None, tenant),
            // Users of keys without a tenant are the operator's own.
            Dimension::User => match envelope.user.as_deref() {
                None => (None, None),
                user => (tenant, user),
            },
            // Callers make these up, so they mean something within their tenant or key only.
            Dimension::Session => self.below(envelope.session.as_deref()),
            Dimension::Agent => self.below(envelope.agent.as_deref()),
            Dimension::Workspace => (None, self.attribute("workspace")),
            Dimension::Environment => {
                let named = self
                    .attribute("workspace")
                    .zip(self.attribute("environment"));
                (named.map(|named| named.0), named.map(|named| named.1))
            }
            Dimension::Address => (None, self.attribute("client.address")),
            Dimension::Metadata(name) => (None, value(&envelope.metadata, name)),
            Dimension::Upstream => (None, self.target.map(|target| &*target.upstream)),
            Dimension::Resource => {
                let named = envelope.resource.as_deref();
                (None, named.or_else(|| self.model()))
            }
            Dimension::Model => (None, self.model()),
        }
    }

    /// Returns a name within the tenant or key.
    fn below<'b>(&'b self, named: Option<&'b str>) -> (Option<&'b str>, Option<&'b str>) {
        let owner = self.envelope.tenant.as_deref().unwrap_or(&self.caller.id);
        (named.map(|_| owner), named)
    }

    /// Returns the model that the request will be sent with.
    fn model(&self) -> Option<&str> {
        let planned = self.target.and_then(|target| target.model.as_deref());
        planned.or(self.model.as_deref())
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        value(&self.envelope.attributes, name)
    }
}

/// Returns the first value of a name.
fn value<'a>(pairs: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| &**value)
}
