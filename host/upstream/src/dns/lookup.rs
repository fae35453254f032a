//! Lookups of one name: one at a time, in a task of its own, and less often while they fail.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Addresses;
use super::resolver::Resolved;

/// Longest time of one lookup. The limits of the system's resolver are often longer.
const LONGEST: Duration = Duration::from_secs(10);

/// The pause after a failed lookup, doubled with each consecutive failure.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The lookups so far, and the one in progress.
#[derive(Default)]
pub(super) struct Lookups {
    record: Mutex<Record>,
    ended: watch::Sender<()>,
}

#[derive(Default)]
struct Record {
    stage: Stage,
    failed: u64,
    failed_in_a_row: u32,
    error: Option<String>,
    /// The earliest time of the next background lookup.
    rests_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Idle,
    Running,
}

/// A lookup in progress. Its end is announced, however it ends.
struct Flight {
    addresses: Arc<Addresses>,
    outcome: Result<Resolved, String>,
}

// === impl Addresses ===

impl Addresses {
    /// Starts a background lookup, unless one is in progress or the last ones failed a moment ago.
    pub(super) fn look_up_anew(self: &Arc<Self>) {
        let now = Instant::now();
        let mut record = self.lookups.record.lock();
        if record.rests_until.is_none_or(|until| until <= now) {
            self.launch(&mut record);
        }
    }

    /// Starts a lookup, unless one is in progress.
    pub(super) fn look_up_now(self: &Arc<Self>) {
        self.launch(&mut self.lookups.record.lock());
    }

    fn launch(self: &Arc<Self>, record: &mut Record) {
        if record.stage == Stage::Running {
            return;
        }
        record.stage = Stage::Running;
        let mut flight = Flight {
            addresses: Arc::clone(self),
            outcome: Err(format!("the look-up of {} broke off", self.host)),
        };
        tokio::spawn(async move {
            let outcome = flight.addresses.resolve().await;
            flight.land(outcome);
        });
    }

    async fn resolve(&self) -> Result<Resolved, String> {
        let host = &self.host;
        match timeout(LONGEST, self.resolver.resolve(host, self.port)).await {
            Ok(Ok(resolved)) if resolved.addresses.is_empty() => {
                Err(format!("the name {host} has no address"))
            }
            Ok(Ok(resolved)) => Ok(resolved),
            Ok(Err(error)) => Err(format!("the name {host} cannot be resolved: {error}")),
            Err(_) => Err(format!(
                "the name {host} was not resolved within {LONGEST:?}"
            )),
        }
    }

    fn end_lookup(&self, outcome: Result<Resolved, String>) {
        let outcome = outcome.map(|resolved| self.take_over(&resolved));
        let mut record = self.lookups.record.lock();
        record.stage = Stage::Idle;
        match outcome {
            Ok(()) => {
                if record.failed_in_a_row > 0 {
                    tracing::info!(host = %self.host, "the name is resolved again");
                }
                record.failed_in_a_row = 0;
                record.error = None;
                record.rests_until = None;
            }
            Err(error) => {
                if record.failed_in_a_row == 0 {
                    tracing::warn!(host = %self.host, error, "a name look-up failed; addresses that are known stay in use");
                }
                let factor = 1_u32.checked_shl(record.failed_in_a_row);
                let rest = FIRST_REST.saturating_mul(factor.unwrap_or(u32::MAX));
                record.rests_until = Some(Instant::now() + rest.min(LONGEST_REST));
                record.failed_in_a_row = record.failed_in_a_row.saturating_add(1);
                record.failed += 1;
                record.error = Some(error);
            }
        }
        drop(record);
        self.lookups.ended.send_replace(());
    }
}

// === impl Lookups ===

impl Lookups {
    /// Returns a receiver that changes when a lookup ends.
    pub(super) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    pub(super) fn is_running(&self) -> bool {
        self.record.lock().stage == Stage::Running
    }

    /// Returns the error of the last lookup, or `None` if it succeeded.
    pub(super) fn error(&self) -> Option<String> {
        self.record.lock().error.clone()
    }

    /// Returns the number of failed lookups, and the error of the last one.
    pub(super) fn failures(&self) -> (u64, Option<String>) {
        let record = self.record.lock();
        (record.failed, record.error.clone())
    }
}

// === impl Flight ===

impl Flight {
    fn land(&mut self, outcome: Result<Resolved, String>) {
        self.outcome = outcome;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Err(String::new()));
        self.addresses.end_lookup(outcome);
    }
}
