//! The targets of a plan: the upstreams that its names stand for, in the order in which they are tried.
//!
//! A name may stand for a group, which yields several. Two kinds of upstreams are dropped: those of another provider than the one
//! that signed the thinking in the request, if it has any; and those that receive the caller's own credential if that is a key of
//! this gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::{signed, thinking};
use witgate_runtime::{Envelope, Plan};
use witgate_upstream::{Affinity, ChosenBy, Limit, Upstream, Wish};

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
    let mut first_provider = None;
    let origin = || wish::affinity(view, envelope);
    let mut targets = Vec::with_capacity(plan.targets.len());
    for (place, planned) in plan.targets.iter().enumerate() {
        let found = snapshot
            .upstreams
            .find(&planned.upstream)
            .ok_or_else(|| unknown(plan, &planned.upstream))?;
        first_provider = first_provider.or_else(|| found.provider());
        let head = heads.get(place).and_then(Option::as_ref);
        let own = planned.timeout_ms.map(u64::from).map(Duration::from_millis);
        for upstream in found.choose(origin, now, &mut rand::thread_rng()) {
            let limit = Limit::of_upstream(upstream.config.head_timeout)
                .shortened(own, ChosenBy::Plan)
                .shortened(patience, ChosenBy::Caller);
            let refused = [found.provider_change(), upstream.config.provider_change]
                .iter()
                .all(|change| *change == ProviderChange::Refused);
            let target = Target {
                upstream,
                model: planned.model.clone(),
                head: head.map(Arc::clone),
                limit,
                wish: None,
            };
            targets.push((target, refused));
        }
    }
    if let Some(first) = first_provider {
        keep_home(&mut targets, first, view, origin, settlement);
    }
    let targets = targets.into_iter().map(|(target, _)| target).collect();
    without_our_key(targets, view, snapshot)
}

/// Drops the targets of other providers than the one that signed the thinking in the request, if it has any. If the signer is not
/// known, or none of its upstreams is left, the first target's provider counts as it. Targets have a true beside them if they
/// refuse thinking of other providers.
fn keep_home(
    targets: &mut Vec<(Target, bool)>,
    first: &str,
    view: &View,
    origin: impl Fn() -> Option<Affinity>,
    settlement: &mut Settlement,
) {
    let is_of = |target: &Target, provider: &str| target.upstream.config.provider == provider;
    if targets
        .iter()
        .all(|(target, refused)| !refused || is_of(target, first))
    {
        // Most gateways have one provider.
        return;
    }
    let Some(head) = &view.head else {
        return;
    };
    let origin = origin();
    let is_bound = signed::is_bound(head.body());
    // Helpers of a session, which ask for a title or a count, have no thinking and say nothing of where its thinking is signed.
    let may_be_signed = is_bound || thinking::is_asked(head);
    if may_be_signed && view.endpoint == Endpoint::Messages {
        settlement.remember_signer_of(origin);
    }
    if !is_bound {
        return;
    }
    let signer = origin.and_then(|origin| settlement.signer(origin));
    let home = signer
        .as_deref()
        .filter(|signer| targets.iter().any(|(target, _)| is_of(target, signer)))
        .unwrap_or(first);
    for (target, _) in targets.extract_if(.., |(target, refused)| *refused && !is_of(target, home))
    {
        settlement.pass_over_stranger(&target.upstream.config);
    }
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
