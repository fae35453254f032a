//! Step 2: the plugins decide. Envelope, route and budget hooks, each plugin once, each result the next one's input.

use std::sync::Arc;
use std::time::Instant;

use witgate_messages::splice::Edit;
use witgate_runtime::{self as contract, Envelope, Estimate, Plan};
use witgate_runtime::{Lineup, PluginCharge, Request};

use super::batch::Part;
use super::estimate;
use super::receive::Received;
use super::settle::Settlement;
use super::targets::{Target, look_up};
use crate::headers;
use crate::live::Live;
use crate::refused::Refused;
use crate::view::View;

/// Where the request goes and what it is charged to.
pub(super) struct Decision {
    pub(super) view: Arc<View>,
    pub(super) part: Part,
    pub(super) lineup: Arc<Lineup>,
    pub(super) live: Arc<Live>,
    pub(super) envelope: Envelope,
    pub(super) plan: Plan,
    pub(super) targets: Vec<Target>,
    pub(super) edits: Vec<Edit>,
    pub(super) charges: Vec<PluginCharge>,
}

/// Asks the plugins.
///
/// # Errors
///
/// A plugin's refusal, a fault of a plugin whose policy is closed, or a plan that names what is not there.
pub(super) fn decide(
    received: Received,
    part: Part,
    settlement: &mut Settlement,
) -> Result<Decision, Refused> {
    let Received { view, lineup, live } = received;
    let request: Arc<dyn Request> = Arc::<View>::clone(&view);

    let envelope = lineup
        .read_envelope(&request, &mut settlement.trail)
        .map_err(Refused::stop)?;
    for (name, value) in &envelope.response_headers {
        settlement.add_header(headers::plugin_header(name, value));
    }
    settlement.receipt.envelope = Some(envelope.clone());

    let stats = live.upstreams.stats(Instant::now());
    let routed = lineup.decide_route(&request, &envelope, &stats, &mut settlement.trail);
    let mut plan = routed
        .map_err(Refused::stop)?
        .unwrap_or_else(|| Plan::to(live.upstreams.default_name()));
    part.bend(&mut plan);
    settlement.receipt.rule.clone_from(&plan.rule);
    let targets = look_up(&plan, &envelope, &view, &live)?;
    let edits: Vec<Edit> = envelope.edits.iter().cloned().map(edit).collect();

    let estimate = estimate(&view, &edits, &part, &plan, &live);
    settlement.expect(&estimate);
    let charges = lineup
        .charges(&request, &envelope, &plan, &estimate, &mut settlement.trail)
        .map_err(Refused::stop)?;
    Ok(Decision {
        view,
        part,
        lineup,
        live,
        envelope,
        plan,
        targets,
        edits,
        charges,
    })
}

// === impl Decision ===

impl Decision {
    /// Asks for another model at every target, and for the charges that this one makes.
    ///
    /// # Errors
    ///
    /// As [`decide`].
    pub(super) fn downgrade(
        &mut self,
        model: &str,
        settlement: &mut Settlement,
    ) -> Result<(), Refused> {
        for target in &mut self.plan.targets {
            target.model = Some(model.to_owned());
        }
        self.part.bend(&mut self.plan);
        for (target, planned) in self.targets.iter_mut().zip(&self.plan.targets) {
            target.model.clone_from(&planned.model);
        }
        let request: Arc<dyn Request> = Arc::<View>::clone(&self.view);
        let estimate = estimate(&self.view, &self.edits, &self.part, &self.plan, &self.live);
        self.charges = self
            .lineup
            .charges(
                &request,
                &self.envelope,
                &self.plan,
                &estimate,
                &mut settlement.trail,
            )
            .map_err(Refused::stop)?;
        Ok(())
    }
}

fn edit(edit: contract::Edit) -> Edit {
    match edit {
        contract::Edit::Remove(name) => Edit::Remove(name),
        contract::Edit::Set((name, json)) => Edit::Set(name, json),
    }
}

/// What the request is expected to use, as it will be sent. Only Messages cost tokens, alone or in a batch.
fn estimate(view: &View, edits: &[Edit], part: &Part, plan: &Plan, live: &Live) -> Estimate {
    if let Part::Creates(batch) = part {
        let expected = batch.expected(&live.prices, estimate::EXPECTED_OUTPUT);
        return Estimate {
            prompt_tokens: expected.prompt_tokens,
            output_tokens: expected.output_tokens,
            cost_picousd: expected.picousd,
        };
    }
    estimate::of_edited(view, edits, plan, &live.prices)
}
