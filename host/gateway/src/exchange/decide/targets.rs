//! The targets of a plan: the upstreams that its names stand for, in the order in which they are tried.
//!
//! A name may stand for a group, which yields several. Two kinds of upstreams are dropped: those of another provider if the
//! request contains signed thinking, which counts as signed by the first one's provider; and those that receive the caller's own
//! credential if that is a key of this gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use witgate_messages::head::Head;
use witgate_messages::signed;
use witgate_runtime::{Envelope, Plan};
use witgate_upstream::{ChosenBy, Limit, Upstream, Wish};

use super::heads::Heads;
use crate::answer::refused::Refused;
use crate::config::ProviderChange;
use crate::exchange::forward::wish;
use crate::exchange::headers;
use crate::exchange::settle::Settlement;
use crate::exchange::view::View;
use crate::gateway::snapshot::Snapshot;
use crate::text::quote;

/// A target of the plan, looked up.
pub(crate) struct Target {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) model: Option<String>,
    /// The head with the changes of the body for this target, or `None` if it has none.
    pub(crate) head: Option<Arc<Head>>,
    /// The timeout of the response head.
    pub(crate) limit: Limit,
    /// What the request needs, if the upstream has several credentials.
    pub(crate) wish: Option<Box<Wish>>,
}

/// Looks up the targets of a plan.
///
/// # Errors
///
/// 503 if a name is not configured, 401 if every target left would receive a key of this gateway.
pub(crate) fn look_up(
    plan: &Plan,
    heads: &Heads,
    envelope: &Envelope,
    view: &View,
    snapshot: &Snapshot,
    settlement: &mut Settlement,
) -> Result<Vec<Target>, Refused> {
    let patience = envelope
        .timeout_ms
        .map(u64::from)
        .map(Duration::from_millis);
    let now = Instant::now();
    let mut home: Option<&str> = None;
    let mut strangers = false;
    let mut targets = Vec::with_capacity(plan.targets.len());
    for (place, planned) in plan.targets.iter().enumerate() {
        let found = snapshot
            .upstreams
            .find(&planned.upstream)
            .ok_or_else(|| unknown(plan, &planned.upstream))?;
        if home.is_none() {
            home = found.provider();
        }
        let head = heads.get(place).and_then(Option::as_ref);
        let own = planned.timeout_ms.map(u64::from).map(Duration::from_millis);
        let origin = || wish::affinity(view, envelope);
        for upstream in found.choose(origin, now, &mut rand::thread_rng()) {
            let limit = Limit::of_upstream(upstream.config.head_timeout)
                .shortened(own, ChosenBy::Plan)
                .shortened(patience, ChosenBy::Caller);
            let refused = [found.provider_change(), upstream.config.provider_change]
                .iter()
                .all(|change| *change == ProviderChange::Refused);
            let stranger = refused && home != Some(&*upstream.config.provider);
            strangers |= stranger;
            let target = Target {
                upstream,
                model: planned.model.clone(),
                head: head.map(Arc::clone),
                limit,
                wish: None,
            };
            targets.push((target, stranger));
        }
    }
    // The body is read only if it matters: most gateways have one provider.
    if strangers
        && view
            .head
            .as_ref()
            .is_some_and(|head| signed::is_bound(head.body()))
    {
        for (target, _) in targets.extract_if(.., |(_, stranger)| *stranger) {
            settlement.pass_over_stranger(&target.upstream.config);
        }
    }
    let targets = targets.into_iter().map(|(target, _)| target).collect();
    without_our_key(targets, view, snapshot)
}

fn without_our_key(
    mut targets: Vec<Target>,
    view: &View,
    snapshot: &Snapshot,
) -> Result<Vec<Target>, Refused> {
    let takes_callers = |target: &Target| target.upstream.takes_callers_credential();
    if targets.iter().any(takes_callers) && headers::shows_ours(&view.headers, &snapshot.keyring) {
        targets.retain(|target| !takes_callers(target));
        if targets.is_empty() {
            return Err(Refused::client(
                401,
                "this route forwards the caller's own credential: send the key of this gateway in x-witgate-key, and not in x-api-key or authorization",
            ));
        }
    }
    Ok(targets)
}

/// Returns the refusal for an upstream that is not configured, which the operator has to mend.
fn unknown(plan: &Plan, upstream: &str) -> Refused {
    let rule = plan.rule.as_deref().unwrap_or("a plan");
    tracing::error!(
        upstream,
        rule,
        "a plan names an upstream that is not configured"
    );
    Refused::gateway(
        503,
        format!(
            "the route names the upstream `{}`, which is not configured: the gateway's operator has to add it or change the route",
            quote(upstream)
        ),
    )
}
