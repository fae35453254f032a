//! The use of a capacity as a plain value, for a changed configuration and for another process.

use std::sync::Arc;

use crate::amounts::Unit;
use crate::gauge::Gauge;
use crate::recent::is_there;
use crate::window::Window;

/// The use of a capacity at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The time, in Unix milliseconds.
    pub at: u64,
    /// The limits.
    pub limits: Vec<LimitState>,
}

/// The use within one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitState {
    /// The unit.
    pub unit: Unit,
    /// The window.
    pub window: Window,
    /// The resources.
    pub shares: Vec<ShareState>,
}

/// The use of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareState {
    /// The name of the resource, or `*` for the others.
    pub resource: Arc<str>,
    /// Use by sixtieths of the window, the newest first.
    pub used: Vec<u64>,
    /// Largest use within a window by periods of the window's length, the present one first.
    pub peaks: Vec<u64>,
}

// === impl LimitState ===

impl LimitState {
    pub(crate) fn of(gauge: &Gauge, names: &[Arc<str>]) -> Self {
        let shares = names.iter().zip(gauge.lines());
        Self {
            unit: gauge.limit.unit,
            window: gauge.limit.window,
            shares: shares
                .map(|(name, line)| ShareState {
                    resource: Arc::clone(name),
                    used: line.recent.by_age(gauge.slot()).collect(),
                    peaks: line.need.by_age(gauge.period()).collect(),
                })
                .collect(),
        }
    }

    /// Adds this use to a gauge whose time is that of the state. Resources that are not found count for the others.
    pub(crate) fn restore(&self, gauge: &mut Gauge, find: impl Fn(&str) -> Option<usize>) {
        let (newest, period) = (gauge.slot(), gauge.period());
        for share in &self.shares {
            let found = find(&share.resource);
            let resource = found.unwrap_or(0);
            for (age, used) in (0..).zip(&share.used) {
                let slot = newest.checked_sub(age);
                if let Some(slot) = slot.filter(|slot| is_there(*slot, newest)) {
                    gauge.restore(slot, resource, *used);
                }
            }
            let line = gauge.line_mut(resource).filter(|_| found.is_some());
            if let Some(line) = line {
                line.need.restore(period, &share.peaks);
            }
        }
    }
}
