//! Decides about each request of a new batch as if it had arrived alone.
//!
//! All requests share the envelope of the batch. The route hook is called about the batch itself first, then the route and
//! budget hooks about each request; requests that look the same to all plugins are decided once. All plans have to lead to the
//! same upstream.
//!
//! Bounds: plugins run for a millisecond at a time, then other exchanges run, and for `batches.decide_ms` in all; a batch has
//! at most [`charges::MAX_CHARGES`] charges.

mod charges;
mod single;

use std::sync::Arc;
use std::time::{Duration, Instant};

use witgate_messages::batch::{Alike, Batch};
use witgate_messages::splice::Edit;
use witgate_runtime::{Estimate, Plan, Request};

use self::charges::BatchCharges;
use self::single::Single;
use super::batch_context::NewBatch;
use super::charge::BudgetCharge;
use super::edits::{edit_failed, set_model};
use super::estimate;
use super::heads;
use super::model_access;
use super::orders::Orders;
use super::panel::Panel;
use super::reserve::{self, Forecast};
use super::thinking;
use crate::answer::refused::Refused;
use crate::exchange::guard::EditInspection;
use crate::exchange::receive::check_lengths;
use crate::exchange::settle::Settlement;
use crate::exchange::view::{View, edit};
use crate::text::quote;

/// Time that plugins run before the task yields.
const TURN: Duration = Duration::from_millis(1);

/// A downgrade: the new model, and the previous plan.
#[derive(Clone, Copy)]
struct Downgrade<'a> {
    model: &'a str,
    before: &'a Plan,
}

/// Calls the plugins about every request of a batch.
///
/// # Errors
///
/// A plugin refuses a request or fails, the key may not use a model, the requests lead to different upstreams, or the plugins
/// take too long. The refusal names the request.
pub(crate) async fn decide(
    panel: &Panel<'_>,
    view: &Arc<View>,
    batch: &NewBatch,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let request: Arc<dyn Request> = Arc::<View>::clone(view);
    let plan = panel.plan(&request, settlement)?;
    let plan = plan.unwrap_or_else(|| panel.default_plan());
    all(panel, view, batch, &plan, None, settlement).await
}

/// Calls the plugins again, with every request downgraded to this model.
///
/// # Errors
///
/// As [`decide`].
pub(crate) async fn downgrade(
    panel: &Panel<'_>,
    view: &Arc<View>,
    batch: &NewBatch,
    model: &str,
    before: &Plan,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let downgrade = Downgrade { model, before };
    all(panel, view, batch, before, Some(downgrade), settlement).await
}

/// Decides about every kind of request. `default` is the plan of those that no plugin routes.
async fn all(
    panel: &Panel<'_>,
    view: &Arc<View>,
    NewBatch { batch, edits }: &NewBatch,
    default: &Plan,
    downgrade: Option<Downgrade<'_>>,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let mut inspection = EditInspection::default();
    let mut turns = Turns::begin(panel.snapshot.config.batches.decide);
    let mut lead: Option<(Arc<Plan>, usize)> = None;
    let mut charges = BatchCharges::default();
    let mut sum = estimate::NOTHING;
    let mut changes = Vec::with_capacity(batch.kinds().len());
    for alike in batch.kinds() {
        turns.next().await?;
        let named = |refused| named(refused, view, batch, alike.first);
        let answered = settlement.trace.answered.len();
        let skipped = settlement.trace.skipped.len();

        let single = single(view, batch, *alike, edits)?;
        let ordered = one(
            panel,
            single,
            default,
            downgrade,
            &mut inspection,
            settlement,
        )
        .await;
        let ordered = ordered.map_err(named)?;
        let plan = ordered.plan;
        match &lead {
            None => lead = Some((plan, alike.first)),
            Some((first, of)) if goes_to(first) != goes_to(&plan) => {
                return Err(apart(view, batch, (first, *of), (&plan, alike.first)));
            }
            Some(_) => {}
        }
        for charge in ordered.charges {
            charges.add(charge, alike.count)?;
        }
        add(&mut sum, &ordered.estimate, alike.count);
        changes.push(ordered.changes);

        // The receipt shows a hundred thousand calls as one decision.
        settlement.trace.answered.truncate(answered);
        let known_faults = &mut settlement.trace.skipped;
        let mut fresh = known_faults.split_off(skipped);
        fresh.retain(|fault| {
            let known = |it: &witgate_runtime::Fault| {
                (&it.plugin, it.hook, it.kind) == (&fault.plugin, fault.hook, fault.kind)
            };
            !known_faults.iter().any(known)
        });
        known_faults.append(&mut fresh);
    }

    let lead = lead.map(|(plan, _)| Arc::unwrap_or_clone(plan));
    let mut plan = lead.unwrap_or_else(|| default.clone());
    // Models and edits are written into the requests.
    for target in &mut plan.targets {
        target.model = None;
        target.edits.clear();
    }
    settlement.expect(Forecast::of(sum), sum.output_tokens);
    Ok(Orders {
        plan: Arc::new(plan),
        heads: Vec::new(),
        charges: charges.into_list(),
        cost: sum.cost_picousd,
        changes,
    })
}

/// The decision about one kind of request.
struct Ordered {
    plan: Arc<Plan>,
    /// The changes that the plan makes.
    changes: Box<[Edit]>,
    charges: Vec<BudgetCharge>,
    estimate: Estimate,
}

async fn one(
    panel: &Panel<'_>,
    single: Single,
    default: &Plan,
    downgrade: Option<Downgrade<'_>>,
    inspection: &mut EditInspection,
    settlement: &mut Settlement,
) -> Result<Ordered, Refused> {
    check_lengths(&single.head)?;
    model_access::model(&single.head, &single.batch.caller)?;
    let own = single.head.model().map(String::from);
    let asked = Arc::new(single);
    let sent = match downgrade {
        Some(Downgrade { model, .. }) => {
            let edited = asked.head.edited(&[set_model(model)]);
            let mut downgraded = Single::clone(&asked);
            downgraded.head = edited.map_err(|error| edit_failed(&error))?;
            Arc::new(downgraded)
        }
        None => Arc::clone(&asked),
    };
    let head = &sent.head;
    let asked: Arc<dyn Request> = asked;
    let request: Arc<dyn Request> = Arc::<Single>::clone(&sent);
    let plan = match downgrade {
        Some(Downgrade { model, before }) => panel.plan_for(model, &request, before, settlement)?,
        None => {
            let plan = panel.plan(&request, settlement)?;
            plan.unwrap_or_else(|| default.clone())
        }
    };
    let planned = plan.targets.iter().all(|target| target.model.is_some());
    model_access::has_model(Some(head), panel.caller(), planned)?;
    let first = plan.targets.first();
    let mut edits = first.map(heads::edits).unwrap_or_default();
    let mut edited = None;
    if !edits.is_empty() {
        edits = inspection.inspect(edits, settlement).await?;
        let head = head.edited(&edits).map_err(|error| edit_failed(&error))?;
        model_access::model(&head, panel.caller())?;
        edited = Some(head);
    }
    let head = edited.as_ref().unwrap_or(head);
    let prices = panel.snapshot.prices.of_plan(&plan);
    let forecast = estimate::of_batched(head, &plan, prices, settlement.experience());
    let mut plan = Arc::new(plan);
    // The budget is asked about the request itself, so that a downgrade takes no plugin's interest.
    let mut charges = panel.charges(&asked, &plan, &forecast.estimate, settlement)?;
    let lowered = thinking::limit(&mut charges, &mut plan, Some(&sent.head));
    if lowered.is_some() {
        let targets = &plan.targets;
        let added = targets.first().and_then(|target| target.edits.last());
        edits.extend(added.map(edit));
    }
    let route = settlement.route();
    route.thinking = route.thinking.or(lowered);
    reserve::reserve(&mut charges, &forecast, settlement.experience());
    let first = plan.targets.first();
    let planned = first.and_then(|target| target.model.as_deref());
    let model = planned.filter(|planned| own.as_deref() != Some(*planned));
    Ok(Ordered {
        changes: edits.into_iter().chain(model.map(set_model)).collect(),
        plan,
        charges,
        estimate: forecast.estimate,
    })
}

fn single(
    view: &Arc<View>,
    batch: &Batch,
    alike: Alike,
    edits: &[Edit],
) -> Result<Single, Refused> {
    let unreadable = || {
        Refused::gateway(
            503,
            "the gateway failed to read a request of the batch again: try again",
        )
    };
    let body = view.head.as_ref().ok_or_else(unreadable)?;
    let head = batch
        .params(body, alike.first)
        .map_err(|_| unreadable())?
        .edited(edits)
        .map_err(|error| edit_failed(&error))?;
    Ok(Single::new(Arc::clone(view), head, batch.len()))
}

fn goes_to(plan: &Plan) -> Option<&str> {
    plan.targets.first().map(|target| &*target.upstream)
}

fn add(sum: &mut Estimate, one: &Estimate, count: u64) {
    let times = |amount: u64| amount.saturating_mul(count);
    sum.prompt_tokens = sum.prompt_tokens.saturating_add(times(one.prompt_tokens));
    sum.output_tokens = sum.output_tokens.saturating_add(times(one.output_tokens));
    let cost = sum.cost_picousd.zip(one.cost_picousd);
    sum.cost_picousd = cost.map(|(sum, one)| sum.saturating_add(times(one)));
}

/// Returns the refusal of a batch whose requests lead to different upstreams.
fn apart(view: &View, batch: &Batch, one: (&Plan, usize), other: (&Plan, usize)) -> Refused {
    let goes = |(plan, index): (&Plan, usize)| {
        let upstream = goes_to(plan).unwrap_or_default();
        format!("{} goes to `{upstream}`", name(view, batch, index))
    };
    Refused::client(
        400,
        format!(
            "a batch goes to one upstream, and {}, but {}: send them in separate batches",
            goes(one),
            goes(other)
        ),
    )
}

/// Prefixes a refusal with the request of the batch that caused it.
fn named(refused: Refused, view: &View, batch: &Batch, index: usize) -> Refused {
    Refused {
        message: format!("{}: {}", name(view, batch, index), refused.message),
        ..refused
    }
}

fn name(view: &View, batch: &Batch, index: usize) -> String {
    let id = view
        .head
        .as_ref()
        .and_then(|head| batch.custom_id(head, index));
    match id {
        Some(id) => {
            format!("requests[{index}] (custom_id `{}`)", quote(&id))
        }
        None => format!("requests[{index}]"),
    }
}

/// The time that plugins may take on a worker.
struct Turns {
    limit: Duration,
    spent: Duration,
    since: Instant,
}

// === impl Turns ===

impl Turns {
    fn begin(limit: Duration) -> Self {
        Self {
            limit,
            spent: Duration::ZERO,
            since: Instant::now(),
        }
    }

    /// Yields if the turn is over.
    ///
    /// # Errors
    ///
    /// 413 if the plugins have used up the time of the batch.
    async fn next(&mut self) -> Result<(), Refused> {
        let turn = self.since.elapsed();
        if self.spent + turn > self.limit {
            let message = format!(
                "the gateway's plugins take longer than {} ms to decide about the requests of this batch: send it in \
                 smaller batches, or ask the gateway's operator to raise batches.decide_ms",
                self.limit.as_millis()
            );
            return Err(Refused::client(413, message));
        }
        if turn > TURN {
            self.spent += turn;
            tokio::task::yield_now().await;
            self.since = Instant::now();
        }
        Ok(())
    }
}
