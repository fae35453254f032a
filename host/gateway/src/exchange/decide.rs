//! Step 2: the plugins decide. The envelope, route and budget hooks run in this order, and each result is the input of the next.
//! The envelope's edits are applied first, so that the later hooks see what will be sent.

pub(crate) mod batch_context;
pub(crate) mod charge;
pub(crate) mod copy;
pub(crate) mod each;
pub(crate) mod edits;
pub(crate) mod estimate;
pub(crate) mod heads;
mod live;
pub(crate) mod model_access;
mod orders;
pub(crate) mod panel;
pub(crate) mod reserve;
pub(crate) mod targets;
pub(crate) mod thinking;

use std::sync::Arc;

use bytes::Bytes;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::splice::Edit;
use witgate_runtime::{Envelope, Plan};
use witgate_runtime::{Lineup, Request};

use self::batch_context::BatchContext;
use self::charge::BudgetCharge;
use self::edits::{edit_failed, set_model};
use self::orders::Orders;
use self::panel::Panel;
use self::targets::{Target, look_up};
use super::receive::Received;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::exchange::view::View;
use crate::exchange::{guard, headers};
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::tenants::owners::Kind;

/// The targets of a request, and the accounts it is charged to.
pub(crate) struct Decision {
    pub(crate) view: Arc<View>,
    pub(crate) batch: BatchContext,
    pub(crate) lineup: Arc<Lineup>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) targets: Vec<Target>,
    pub(crate) charges: Vec<BudgetCharge>,
    /// The expected cost in pico-USD, or `None` if the model has no price.
    pub(crate) cost: Option<u64>,
    /// The changes of the plans for each kind of request in a new batch.
    pub(crate) changes: Vec<Box<[Edit]>>,
    /// Set if the client asked for a stream.
    pub(crate) is_stream: bool,
    /// The body as it was sent, once every target gets it so and nothing reads it any more.
    pub(crate) unread: Option<Bytes>,
}

/// Calls the plugins about a request.
///
/// # Errors
///
/// A plugin refuses, a plugin with a closed fail policy fails, or a plan can't be followed; also as
/// [`batch_context::prepare`].
pub(crate) async fn decide(
    received: Received,
    gateway: &Gateway,
    settlement: &mut Settlement,
) -> Result<Decision, Refused> {
    let Received {
        view,
        lineup,
        snapshot,
    } = received;
    let mut envelope =
        settlement.call(&lineup, Arc::<View>::clone(&view), |hooks| hooks.envelope())?;
    view.complete(&mut envelope);
    settlement.request().provenance.stamp(&mut envelope);
    let envelope = Arc::new(envelope);
    for (name, value) in &envelope.response_headers {
        settlement.add_header(headers::plugin_header(name, value));
    }
    settlement.request().envelope = Some(Arc::clone(&envelope));
    gateway
        .ended_sessions
        .check(&view.caller.id, envelope.session.as_deref())?;
    let mut view = view.after(&envelope).map_err(|error| edit_failed(&error))?;
    // Rare, so it lives on the heap.
    if let Some(guards) = guard::of(&view, &lineup, &envelope)? {
        view = Box::pin(guard::inspect(view, guards, &envelope, settlement)).await?;
    }
    copy::charge_edited(&mut view, &lineup, settlement)?;
    let batch = batch_context::prepare(&mut view, &envelope, &lineup, gateway, settlement).await?;

    let panel = Panel::new(&lineup, &snapshot, &view.caller, &envelope);
    let orders = match &batch {
        BatchContext::Creates(batch) => {
            Box::pin(each::decide(&panel, &view, batch, settlement)).await?
        }
        BatchContext::None | BatchContext::At(_) => {
            decide_one(&panel, &view, &batch, settlement).await?
        }
    };
    let route = settlement.route();
    route.rule.clone_from(&orders.plan.rule);
    route.resource = resource(&orders.plan, &envelope, &view);
    let targets = targets(&orders, &envelope, &view, &snapshot, settlement)?;
    let is_stream = view.head.as_ref().is_some_and(Head::stream);
    Ok(Decision {
        view,
        batch,
        lineup,
        snapshot,
        envelope,
        plan: orders.plan,
        targets,
        charges: orders.charges,
        cost: orders.cost,
        changes: orders.changes,
        is_stream,
        unread: None,
    })
}

/// Calls the plugins about a request that is no batch.
async fn decide_one(
    panel: &Panel<'_>,
    view: &Arc<View>,
    batch: &BatchContext,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let request: Arc<dyn Request> = Arc::<View>::clone(view);
    let plan = panel.plan(&request, settlement)?;
    let mut plan = plan.unwrap_or_else(|| panel.default_plan());
    batch.constrain(&mut plan);
    charge(panel, view, plan, settlement).await
}

/// Makes the edits of this plan's targets, and calls the budget hooks.
async fn charge(
    panel: &Panel<'_>,
    view: &Arc<View>,
    plan: Plan,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let request: Arc<dyn Request> = Arc::<View>::clone(view);
    let mut heads = heads::of_targets(view, &plan, settlement).await?;
    let first = heads::first(&heads);
    let prices = panel.snapshot.prices.of_plan(&plan);
    let forecast = estimate::of_message(view, first, &plan, prices, settlement.experience());
    let mut plan = Arc::new(plan);
    let mut charges = panel.charges(&request, &plan, &forecast.estimate, settlement)?;
    let lowered = thinking::limit(&mut charges, &mut plan, view.head.as_ref());
    if lowered.is_some() {
        heads = heads::of_targets(view, &plan, settlement).await?;
    }
    settlement.route().thinking = lowered;
    let room = reserve::reserve(&mut charges, &forecast, settlement.experience());
    let cost = forecast.estimate.cost_picousd;
    settlement.expect(forecast, room);
    Ok(Orders {
        plan,
        heads,
        charges,
        cost,
        changes: Vec::new(),
    })
}

/// Looks up the targets of a plan. A request about a resource has one target: only its upstream can answer.
fn targets(
    orders: &Orders,
    envelope: &Envelope,
    view: &View,
    snapshot: &Snapshot,
    settlement: &mut Settlement,
) -> Result<Vec<Target>, Refused> {
    let Orders { plan, heads, .. } = orders;
    let mut targets = look_up(plan, heads, envelope, view, snapshot, settlement)?;
    if Kind::of(view.endpoint).is_some() {
        targets.truncate(1);
    }
    Ok(targets)
}

// === impl Decision ===

impl Decision {
    /// Returns the model that the first target is asked for, or `None`.
    pub(crate) fn model(&self) -> Option<String> {
        let planned = self.targets.first().and_then(|target| target.model.clone());
        planned.or_else(|| self.view.head.as_ref()?.model().map(Into::into))
    }

    /// Returns whether the operator shares a skill with all tenants.
    pub(crate) fn is_shared(&self, skill: &str) -> bool {
        let shared = self.snapshot.config.endpoints.shared_skills.iter();
        shared.into_iter().any(|shared| shared == skill)
    }

    /// Returns whether the request may be downgraded to a model.
    pub(crate) fn may_downgrade(&self, model: &str) -> bool {
        let head = self.view.head.as_ref().and_then(|head| head.model());
        let asked = self.envelope.resource.as_deref().or(head.as_deref());
        self.panel().may_downgrade(asked, model)
    }

    /// Downgrades the request to another model. The route hook is called again as if the request had named that model, so that
    /// no rule is bypassed.
    ///
    /// # Errors
    ///
    /// As [`decide`].
    pub(crate) async fn downgrade(
        &mut self,
        model: &str,
        settlement: &mut Settlement,
    ) -> Result<(), Refused> {
        let panel = self.panel();
        let orders = match &self.batch {
            BatchContext::Creates(batch) => {
                let downgraded =
                    each::downgrade(&panel, &self.view, batch, model, &self.plan, settlement);
                Box::pin(downgraded).await?
            }
            batch @ (BatchContext::None | BatchContext::At(_)) => {
                let asking = asking_for(&self.view, model)?;
                let mut plan = panel.plan_for(model, &asking, &self.plan, settlement)?;
                batch.constrain(&mut plan);
                charge(&panel, &self.view, plan, settlement).await?
            }
        };
        self.targets = targets(
            &orders,
            &self.envelope,
            &self.view,
            &self.snapshot,
            settlement,
        )?;
        self.plan = orders.plan;
        self.charges = orders.charges;
        self.cost = orders.cost;
        self.changes = orders.changes;
        Ok(())
    }

    /// Drops the decoded copy of a compressed body, if every target gets the body as it was sent. Nothing reads the body
    /// after this.
    pub(crate) fn release_decoded_body(&mut self) {
        let view = &self.view;
        let (Some(sent), Some(head)) = (&view.sent, &view.head) else {
            return;
        };
        let own = head.model();
        let model = |planned: &str| own.as_deref() == Some(planned);
        let mut planned = self
            .targets
            .iter()
            .filter_map(|target| target.model.as_deref());
        let edited = self.targets.iter().any(|target| target.head.is_some());
        let translated = |target: &Target| target.upstream.translates();
        if self.targets.iter().any(translated) {
            return;
        }
        if head.edits().is_empty() && !edited && planned.all(model) {
            self.unread = Some(sent.clone());
            Arc::make_mut(&mut self.view).head = None;
        }
    }

    fn panel(&self) -> Panel<'_> {
        Panel::new(
            &self.lineup,
            &self.snapshot,
            &self.view.caller,
            &self.envelope,
        )
    }
}

/// Returns the logical model of the route: named by the plan, else by the envelope, else by the request.
pub(crate) fn resource(plan: &Plan, envelope: &Envelope, view: &View) -> Option<String> {
    let named = plan.resource.clone();
    named
        .or_else(|| envelope.resource.clone())
        .or_else(|| view.head.as_ref()?.model().map(Into::into))
}

/// Returns the request as if it had named this model.
fn asking_for(view: &Arc<View>, model: &str) -> Result<Arc<dyn Request>, Refused> {
    let mut asking = View::clone(view);
    if let (Some(head), Endpoint::Messages) = (&view.head, view.endpoint) {
        let edited = head.edited(&[set_model(model)]);
        asking.head = Some(edited.map_err(|error| edit_failed(&error))?);
    }
    Ok(Arc::new(asking))
}
