//! The requests of a new batch, each decided as if it had come alone.
//!
//! The envelope is the batch's: who asks is the same for all of them. The route hook is asked about the batch itself first,
//! for what is ruled about batches, and then route and budget hooks about each request. Requests that look the same to
//! every plugin that is asked are asked about once. A batch goes to one upstream, where all of its plans have to lead.
//!
//! Bounds: plugins are called for a millisecond at a time, with other exchanges in between, and for no longer than
//! `batches.decide_ms` altogether; the charges of a batch are at most [`purse::MOST`].

mod purse;
mod single;

use std::sync::Arc;
use std::time::{Duration, Instant};

use witgate_messages::batch::{Alike, Batch};
use witgate_messages::splice::Edit;
use witgate_runtime::{Estimate, Plan, Request};

use self::purse::Purse;
use self::single::Single;
use super::edits::{set_model, unmade};
use super::estimate;
use super::model_access;
use super::orders::Orders;
use super::panel::Panel;
use crate::answer::refused::Refused;
use crate::exchange::settle::Settlement;
use crate::text::quote;
use crate::view::View;

/// How long plugins are called before others have their turn.
const TURN: Duration = Duration::from_millis(1);

/// A downgrade: the model, and the plan of before.
#[derive(Clone, Copy)]
struct Downgrade<'a> {
    model: &'a str,
    before: &'a Plan,
}

/// Asks the plugins about every request of a batch.
///
/// # Errors
///
/// What a plugin refuses a request with, naming the request; a fault; a key's models; requests that would go to different
/// upstreams; plugins that take too long.
pub(crate) async fn decide(
    panel: &Panel<'_>,
    view: &Arc<View>,
    batch: &Batch,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let request: Arc<dyn Request> = Arc::<View>::clone(view);
    let plan = panel.plan(&request, settlement)?;
    let plan = plan.unwrap_or_else(|| panel.default_plan());
    all(panel, view, batch, &plan, None, settlement).await
}

/// Asks again, with every request put on this model.
///
/// # Errors
///
/// As [`decide`].
pub(crate) async fn downgrade(
    panel: &Panel<'_>,
    view: &Arc<View>,
    batch: &Batch,
    model: &str,
    before: &Plan,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let downgrade = Downgrade { model, before };
    all(panel, view, batch, before, Some(downgrade), settlement).await
}

/// `default` is the plan of requests that no plugin has one for.
async fn all(
    panel: &Panel<'_>,
    view: &Arc<View>,
    batch: &Batch,
    default: &Plan,
    downgrade: Option<Downgrade<'_>>,
    settlement: &mut Settlement,
) -> Result<Orders, Refused> {
    let edits = view.edits_of_requests(panel.envelope);
    let mut turns = Turns::begin(panel.snapshot.config.batches.decide);
    let mut lead: Option<(Plan, usize)> = None;
    let mut purse = Purse::default();
    let mut sum = Estimate {
        prompt_tokens: 0,
        output_tokens: 0,
        cost_picousd: Some(0),
    };
    let mut models = Vec::with_capacity(batch.kinds().len());
    for alike in batch.kinds() {
        turns.next().await?;
        let named = |refused| named(refused, view, batch, alike.first);
        let answered = settlement.trace.answered.len();
        let skipped = settlement.trace.skipped.len();

        let single = single(view, batch, *alike, &edits)?;
        let ordered = one(panel, single, default, downgrade, settlement).map_err(named)?;
        let plan = ordered.plan;
        match &lead {
            None => lead = Some((plan, alike.first)),
            Some((first, of)) if goes_to(first) != goes_to(&plan) => {
                return Err(apart(view, batch, (first, *of), (&plan, alike.first)));
            }
            Some(_) => {}
        }
        for charge in ordered.charges {
            purse.put(charge, alike.count)?;
        }
        add(&mut sum, &ordered.estimate, alike.count);
        models.push(ordered.model);

        // A hundred thousand calls are one decision on the receipt.
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

    let (mut plan, _) = lead.unwrap_or_else(|| (default.clone(), 0));
    // The models stand in the requests.
    for target in &mut plan.targets {
        target.model = None;
    }
    settlement.expect(&sum);
    Ok(Orders {
        plan,
        charges: purse.into_charges(),
        models,
    })
}

/// What was ordered for one request.
struct Ordered {
    plan: Plan,
    /// The model that it is put on; none where its own stays.
    model: Option<Box<str>>,
    charges: Vec<witgate_runtime::PluginCharge>,
    estimate: Estimate,
}

fn one(
    panel: &Panel<'_>,
    mut single: Single,
    default: &Plan,
    downgrade: Option<Downgrade<'_>>,
    settlement: &mut Settlement,
) -> Result<Ordered, Refused> {
    model_access::model(&single.head, &single.batch.caller)?;
    let own = single.head.model().map(String::from);
    if let Some(Downgrade { model, .. }) = downgrade {
        let edited = single.head.edited(&[set_model(model)]);
        single.head = edited.map_err(|error| unmade(&error))?;
    }
    let head = single.head.clone();
    let request: Arc<dyn Request> = Arc::new(single);
    let plan = match downgrade {
        Some(Downgrade { model, before }) => panel.plan_for(model, &request, before, settlement)?,
        None => {
            let plan = panel.plan(&request, settlement)?;
            plan.unwrap_or_else(|| default.clone())
        }
    };
    let planned = plan.targets.iter().all(|target| target.model.is_some());
    model_access::has_model(Some(&head), panel.caller(), planned)?;
    let estimate = estimate::of_batched(&head, &plan, &panel.snapshot.prices);
    let charges = panel.charges(&request, &plan, &estimate, settlement)?;
    let planned = plan.targets.first();
    let planned = planned.and_then(|target| target.model.as_deref());
    Ok(Ordered {
        model: planned
            .filter(|planned| own.as_deref() != Some(*planned))
            .map(Into::into),
        plan,
        charges,
        estimate,
    })
}

fn single(
    view: &Arc<View>,
    batch: &Batch,
    alike: Alike,
    edits: &[Edit],
) -> Result<Single, Refused> {
    let unreadable = || Refused::gateway(503, "a request of the batch can't be read: try again");
    let body = view.head.as_ref().ok_or_else(unreadable)?;
    let head = batch
        .params(body, alike.first)
        .map_err(|_| unreadable())?
        .edited(edits)
        .map_err(|error| unmade(&error))?;
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

/// The refusal of a batch whose requests would go to different upstreams.
fn apart(view: &View, batch: &Batch, one: (&Plan, usize), other: (&Plan, usize)) -> Refused {
    let goes = |(plan, index): (&Plan, usize)| {
        let upstream = goes_to(plan).unwrap_or_default();
        format!("{} goes to `{upstream}`", name(view, batch, index))
    };
    Refused::client(
        400,
        format!(
            "a batch goes to one upstream, and {}, {}: send them in batches of their own",
            goes(one),
            goes(other)
        ),
    )
}

/// The refusal of a batch because of one of its requests.
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

/// Plugins' turns on a worker.
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

    /// Lets others have their turn where this one has been long enough.
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
