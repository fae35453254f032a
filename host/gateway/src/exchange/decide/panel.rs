//! The plugins of a request, and the checks of their plans: targets that do not exist, or whose model the key may not use, are
//! removed.

use std::sync::Arc;
use std::time::Instant;

use witgate_messages::endpoint::Endpoint;
use witgate_runtime::{
    Envelope, Estimate, Hook, Lineup, Plan, Request, Target, UpstreamStats, Upstreams,
};

use super::charge::BudgetCharge;
use super::live;
use crate::answer::refused::Refused;
use crate::exchange::settle::Settlement;
use crate::gateway::snapshot::Snapshot;
use crate::tenants::keys::Caller;
use crate::text::quote;

/// The plugins, and their input besides the request.
pub(crate) struct Panel<'a> {
    lineup: &'a Lineup,
    pub(crate) snapshot: &'a Snapshot,
    caller: &'a Caller,
    pub(crate) envelope: &'a Arc<Envelope>,
    upstreams: Arc<dyn Upstreams>,
}

/// The upstreams of a snapshot, in the form of the contract. Their state is summed up when a plugin asks for it.
struct UpstreamsOf(Arc<Snapshot>);

/// The attribute of a target that the caller named.
const NAMED_BY: (&str, &str) = ("named-by", "caller");

// === impl Panel ===

impl<'a> Panel<'a> {
    pub(crate) fn new(
        lineup: &'a Lineup,
        snapshot: &'a Arc<Snapshot>,
        caller: &'a Caller,
        envelope: &'a Arc<Envelope>,
    ) -> Self {
        Self {
            lineup,
            snapshot,
            caller,
            envelope,
            upstreams: Arc::new(UpstreamsOf(Arc::clone(snapshot))),
        }
    }

    /// Returns the caller of the request.
    pub(crate) fn caller(&self) -> &Caller {
        self.caller
    }

    /// Returns the plan for a request, or `None` if no plugin has one.
    ///
    /// # Errors
    ///
    /// A plugin refuses or fails, or every target of the plan has a model that the key may not use.
    pub(crate) fn plan(
        &self,
        request: &Arc<dyn Request>,
        settlement: &mut Settlement,
    ) -> Result<Option<Plan>, Refused> {
        self.plan_in(request, self.envelope, settlement)
    }

    fn plan_in(
        &self,
        request: &Arc<dyn Request>,
        envelope: &Arc<Envelope>,
        settlement: &mut Settlement,
    ) -> Result<Option<Plan>, Refused> {
        let upstreams = Arc::clone(&self.upstreams);
        let plan = settlement.call(self.lineup, Arc::clone(request), |hooks| {
            hooks.route(envelope, Some(upstreams))
        })?;
        let Some(mut plan) = plan else {
            return Ok(None);
        };
        self.drop_unknown(&mut plan, settlement);
        self.drop_forbidden(&mut plan, request, envelope)?;
        Ok(Some(plan))
    }

    /// Returns the plan for a request that is downgraded to `model`: the plugins' plan for that model, or `before` with the model
    /// at every target if theirs leads to another model. What they refuse stays refused.
    ///
    /// # Errors
    ///
    /// As [`Panel::plan`].
    pub(crate) fn plan_for(
        &self,
        model: &str,
        request: &Arc<dyn Request>,
        before: &Plan,
        settlement: &mut Settlement,
    ) -> Result<Plan, Refused> {
        // The resource and the index are not meant for this model.
        let envelope = Arc::new(Envelope {
            resource: None,
            secondary_index: None,
            ..Envelope::clone(self.envelope)
        });
        let planned = self.plan_in(request, &envelope, settlement)?;
        let asks = |plan: &Plan| {
            let first = plan.targets.first();
            first.is_some_and(|target| target.model.as_deref().is_none_or(|it| it == model))
        };
        let mut plan = match planned.filter(asks) {
            Some(plan) => plan,
            None => {
                let mut plan = before.clone();
                for target in &mut plan.targets {
                    target.model = None;
                    // They were meant for the other model.
                    target.edits.clear();
                }
                plan
            }
        };
        for target in &mut plan.targets {
            target.model.get_or_insert_with(|| model.to_owned());
        }
        Ok(plan)
    }

    /// Returns the charges for a request, with the limits that hold.
    ///
    /// # Errors
    ///
    /// A plugin's refusal or fault; as [`live::apply`].
    pub(crate) fn charges(
        &self,
        request: &Arc<dyn Request>,
        plan: &Arc<Plan>,
        estimate: &Estimate,
        settlement: &mut Settlement,
    ) -> Result<Vec<BudgetCharge>, Refused> {
        let charges = settlement.call(self.lineup, Arc::clone(request), |hooks| {
            hooks.charges(self.envelope, plan, estimate)
        })?;
        let mut charges = charges.into_iter().map(BudgetCharge::from).collect();
        live::apply(
            &mut charges,
            settlement.live_limits(),
            (self.caller, self.envelope),
            (&**request, plan),
            estimate,
        )?;
        Ok(charges)
    }

    /// Returns the plan for a request that no plugin routes.
    pub(crate) fn default_plan(&self) -> Plan {
        Plan::to(self.snapshot.upstreams.default_name())
    }

    /// Removes the targets that name no upstream.
    fn drop_unknown(&self, plan: &mut Plan, settlement: &mut Settlement) {
        let known = |target: &Target| self.snapshot.upstreams.find(&target.upstream).is_some();
        if plan.targets.iter().all(known) {
            return;
        }
        let planner = settlement.trace.answered.iter();
        let planner = planner.rev().find(|(hook, _)| *hook == Hook::Route);
        let planner = planner.map(|(_, plugin)| Arc::clone(plugin));
        let plugin = planner.as_deref().unwrap_or_default();
        plan.targets.retain(|target| {
            let known = known(target);
            if !known && settlement.pass_over_unknown(&target.upstream, plugin) {
                tracing::warn!(
                    request = settlement.id(),
                    plugin,
                    upstream = target.upstream,
                    "a plan names an upstream that is not configured; its other targets are used"
                );
            }
            known
        });
    }

    /// Removes the targets whose model the key may not use. A target that the caller chose by its index is refused instead.
    ///
    /// # Errors
    ///
    /// 403 if no target is left, or the caller chose one that is removed.
    fn drop_forbidden(
        &self,
        plan: &mut Plan,
        request: &Arc<dyn Request>,
        envelope: &Envelope,
    ) -> Result<(), Refused> {
        // On other endpoints, a model in a plan has no meaning.
        let for_model = [Endpoint::Messages, Endpoint::CountTokens]
            .iter()
            .any(|endpoint| endpoint.code() == request.endpoint());
        if self.caller.models.is_none() || !for_model {
            return Ok(());
        }
        let asked = envelope
            .resource
            .clone()
            .or_else(|| request.model().map(Into::into));
        let asked = asked.unwrap_or_default();
        let mut forbidden = None;
        let mut kept = Vec::with_capacity(plan.targets.len());
        for (index, target) in plan.targets.drain(..).enumerate() {
            if self.may_lead(&asked, &target) {
                kept.push(target);
                continue;
            }
            let model = target.model.unwrap_or_default();
            if index == 0 && envelope.secondary_index.is_some() {
                return Err(leads_to(&asked, &model));
            }
            forbidden.get_or_insert(model);
        }
        plan.targets = kept;
        match forbidden {
            Some(model) if plan.targets.is_empty() => Err(leads_to(&asked, &model)),
            _ => Ok(()),
        }
    }

    /// Returns whether a request for `asked`, which the key may use, may be routed to a target.
    fn may_lead(&self, asked: &str, target: &Target) -> bool {
        let Some(model) = &target.model else {
            return true;
        };
        if self.caller.may_use(model) {
            return true;
        }
        let named_by = |(name, value): &(String, String)| (&**name, &**value) == NAMED_BY;
        if target.attributes.iter().any(named_by) {
            return false;
        }
        // The operator routes a resource wherever it wants, and `UPSTREAM/MODEL` is what the caller asked for.
        let in_full = asked
            .strip_prefix(target.upstream.as_str())
            .and_then(|rest| rest.strip_prefix('/'));
        in_full == Some(model) || self.snapshot.config.endpoints.resource(asked).is_some()
    }

    /// Returns whether a request for `asked` may be downgraded to a model.
    pub(crate) fn may_downgrade(&self, asked: Option<&str>, model: &str) -> bool {
        let own = |asked| self.snapshot.config.endpoints.resource(asked).is_some();
        self.caller.may_use(model) || asked.is_some_and(own)
    }
}

/// Returns the 403 for a resource that leads to a model that the key may not use.
fn leads_to(asked: &str, model: &str) -> Refused {
    Refused::client(
        403,
        format!(
            "this key may not use the model `{}`, which `{}` leads to: GET /v1/models lists the models it may use",
            quote(model),
            quote(asked)
        ),
    )
}

// === impl UpstreamsOf ===

impl Upstreams for UpstreamsOf {
    fn names(&self) -> Vec<String> {
        self.0.upstreams.names().map(str::to_owned).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.0.upstreams.find(name).is_some()
    }

    fn stats(&self, name: &str) -> Option<UpstreamStats> {
        let summary = self.0.upstreams.summary(name, Instant::now())?;
        Some(UpstreamStats {
            name: summary.name,
            in_flight: summary.in_flight,
            requests: summary.requests,
            errors: summary.errors,
            attributes: summary.attributes,
        })
    }
}
