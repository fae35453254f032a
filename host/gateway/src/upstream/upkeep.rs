//! What is done for upstreams without a request: health checks and credentials that expire.
//!
//! One task looks at the configuration that is in use and keeps a task for each upstream of it that needs one, so that a
//! reload starts, keeps and ends them. All of them end with the gateway.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connection::Outgoing;
use super::health::Turn;
use super::kind::Addressed;
use super::limit::Limit;
use super::{Upstream, Upstreams};
use crate::config::HealthPolicy;
use crate::gateway::Gateway;
use crate::headers;
use crate::listen::stopped;

/// Time between two looks at the configuration.
const LOOK: Duration = Duration::from_secs(1);

/// Most bytes of an answer to a health check that are read to keep its connection.
const ANSWER: usize = 256 * 1024;

/// The tasks of one upstream.
struct Kept {
    upstream: Arc<Upstream>,
    /// Ends its tasks when it is dropped.
    _tasks: JoinSet<()>,
}

/// Keeps the upstreams until the gateway stops.
pub(crate) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let mut kept: Vec<Kept> = Vec::new();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => return,
            _ = ticks.tick() => look(&mut kept, &gateway.snapshot().upstreams),
        }
    }
}

fn look(kept: &mut Vec<Kept>, upstreams: &Upstreams) {
    kept.retain(|kept| {
        upstreams
            .iter()
            .any(|upstream| Arc::ptr_eq(upstream, &kept.upstream))
    });
    for upstream in upstreams.iter() {
        if !kept
            .iter()
            .any(|kept| Arc::ptr_eq(upstream, &kept.upstream))
        {
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
        if upstream.has_kept_credential() {
            let upstream = Arc::clone(upstream);
            tasks.spawn(async move { upstream.keep_credential().await });
        }
        Self {
            upstream: Arc::clone(upstream),
            _tasks: tasks,
        }
    }
}

// === impl Upstream ===

impl Upstream {
    /// Checks it again and again.
    async fn check_health(&self, policy: &HealthPolicy) {
        let mut ticks = interval(policy.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let check = self.check(policy).await;
            let why = check.as_ref().err().cloned().unwrap_or_default();
            let name = &self.config.name;
            match self.health.checked(check, policy, Instant::now()) {
                Some(Turn::Out) => {
                    tracing::warn!(upstream = %name, why, "the upstream's health checks fail: it gets no requests");
                }
                Some(Turn::In) => {
                    tracing::info!(upstream = %name, "the upstream's health checks are good: it gets requests again");
                }
                None => {}
            }
        }
    }

    /// One check.
    async fn check(&self, policy: &HealthPolicy) -> Result<(), String> {
        let Addressed { target, shown } = self.kind().address(self, &policy.path);
        let outgoing = Outgoing {
            head: headers::write_check_head(&target, &self.authority, &shown),
            body: &[],
        };
        let limit = Limit::of_upstream(policy.timeout);
        let asked = timeout(policy.timeout, self.ask(outgoing, limit)).await;
        let mut answering = asked
            .map_err(|_| format!("no answer within {:?}", policy.timeout))?
            .map_err(|failed| failed.to_string())?;
        let status = answering.head().map_or(0, |head| head.status.as_u16());
        if status >= 500 {
            return Err(format!("{} answered {status}", policy.path));
        }
        let drained = timeout(policy.timeout, async {
            let mut read = 0;
            while !answering.is_done() && read < ANSWER {
                match answering.read().await {
                    Ok(Some(part)) => read += part.len(),
                    Ok(None) => {}
                    Err(_) => return,
                }
            }
        });
        // The status is the check; an answer that breaks off afterwards costs its connection and no more.
        if drained.await.is_ok() && answering.is_done() {
            answering.release(self).await;
        }
        Ok(())
    }
}
