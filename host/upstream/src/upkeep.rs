//! Background tasks of upstreams: health checks, and the renewal of credentials that expire.
//!
//! One task watches the configuration in use and runs tasks for each upstream that needs them, so that a reload starts,
//! keeps, and ends them. All of them end with the gateway.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::credential::leased::AskEndpoint;
use super::endpoint;
use super::health::Turn;
use super::{Upstream, Upstreams};
use crate::config::HealthPolicy;

/// The way to the endpoints of clouds.
pub(super) const ASK: AskEndpoint = |place| Box::pin(endpoint::ask(place));

/// The tasks of one upstream.
struct Kept {
    upstream: Arc<Upstream>,
    /// The tasks, which end when this is dropped.
    _tasks: JoinSet<()>,
}

/// Keeps the upstreams in use, until `stop` says `true` or a sender is dropped.
pub async fn run_upkeep(
    mut upstreams: watch::Receiver<Upstreams>,
    mut stop: watch::Receiver<bool>,
) {
    let mut kept: Vec<Kept> = Vec::new();
    loop {
        let in_use = upstreams.borrow_and_update().clone();
        keep(&mut kept, &in_use);
        drop(in_use);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            changed = upstreams.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Ends the tasks of upstreams that are not in use any more, and starts those of new ones.
fn keep(kept: &mut Vec<Kept>, upstreams: &Upstreams) {
    let are_of = |kept: &Kept, upstream| Arc::ptr_eq(&kept.upstream, upstream);
    kept.retain(|kept| upstreams.iter().any(|upstream| are_of(kept, upstream)));
    for upstream in upstreams.iter() {
        if !kept.iter().any(|kept| are_of(kept, upstream)) {
            kept.push(Kept::start(upstream));
        }
    }
}

// === impl Kept ===

impl Kept {
    fn start(upstream: &Arc<Upstream>) -> Self {
        let mut tasks = JoinSet::new();
        if let Some(policy) = upstream.config.resilience.health.clone() {
            let upstream = Arc::clone(upstream);
            tasks.spawn(async move { upstream.check_health(&policy).await });
        }
        if upstream.credential.expires() {
            let upstream = Arc::clone(upstream);
            tasks.spawn(async move {
                upstream
                    .credential
                    .keep_fresh(&upstream.config.name, ASK)
                    .await;
            });
        }
        let pool = upstream.pool.iter().flat_map(|pool| pool.members());
        for member in pool.filter(|member| member.store.expires()) {
            let (upstream, member) = (Arc::clone(upstream), Arc::clone(member));
            tasks.spawn(async move {
                member.store.keep_fresh(&upstream.config.name, ASK).await;
            });
        }
        Self {
            upstream: Arc::clone(upstream),
            _tasks: tasks,
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// Checks the upstream at every interval of the policy.
    async fn check_health(self: &Arc<Self>, policy: &HealthPolicy) {
        let mut ticks = interval(policy.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let check = self.check(policy).await;
            let why = check.as_ref().err().cloned().unwrap_or_default();
            let name = &self.config.name;
            match self.health.checked(check, policy, Instant::now()) {
                Some(Turn::Out) => {
                    tracing::warn!(upstream = %name, why, "the upstream fails its health checks and is taken out of service");
                }
                Some(Turn::In) => {
                    tracing::info!(upstream = %name, "the upstream passes its health checks and is back in service");
                }
                None => {}
            }
        }
    }

    /// Makes one check. A status below 500 is a good one.
    async fn check(self: &Arc<Self>, policy: &HealthPolicy) -> Result<(), String> {
        let answered = self.ask(&policy.path, policy.timeout).await?;
        if answered.status >= 500 {
            return Err(format!("{} answered {}", policy.path, answered.status));
        }
        Ok(())
    }
}
