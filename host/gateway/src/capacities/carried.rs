//! The use of the capacities in the form in which a process tells its successor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use witgate_capacity::{LimitState, ShareState, State, Unit, Window};

use super::Capacities;

/// The use of the capacities, by the name of the upstream.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Carried {
    #[serde(default)]
    capacities: BTreeMap<String, Use>,
}

/// The use of one capacity.
#[derive(Debug, Serialize, Deserialize)]
struct Use {
    at_unix_ms: u64,
    limits: Vec<UseOfLimit>,
}

/// The use of one limit.
#[derive(Debug, Serialize, Deserialize)]
struct UseOfLimit {
    unit: String,
    window: String,
    resources: Vec<UseOfResource>,
}

/// The use of one resource.
#[derive(Debug, Serialize, Deserialize)]
struct UseOfResource {
    name: String,
    used: Vec<u64>,
    peaks: Vec<u64>,
}

// === impl Capacities ===

impl Capacities {
    /// Returns what a successor is told.
    pub(crate) fn to_carry(&self, now: u64) -> Value {
        let capacities = self
            .iter()
            .map(|(upstream, capacity)| (upstream.to_owned(), Use::of(capacity.state(now))));
        let carried = Carried {
            capacities: capacities.collect(),
        };
        // Numbers and texts can always be written.
        serde_json::to_value(carried).unwrap_or_default()
    }

    /// Goes on from what the predecessor told. What this process doesn't have, or doesn't know, is left out.
    pub(crate) fn carry_on(&self, told: &Value, now: u64) {
        let carried = Carried::deserialize(told).unwrap_or_default();
        for (upstream, capacity) in self.iter() {
            if let Some(told) = carried.capacities.get(upstream) {
                capacity.resume(&told.state(), now);
            }
        }
    }
}

// === impl Use ===

impl Use {
    fn of(state: State) -> Self {
        let limits = state.limits.into_iter().map(|limit| UseOfLimit {
            unit: limit.unit.code().to_owned(),
            window: limit.window.code().to_owned(),
            resources: limit.shares.into_iter().map(UseOfResource::of).collect(),
        });
        Self {
            at_unix_ms: state.at,
            limits: limits.collect(),
        }
    }

    fn state(&self) -> State {
        State {
            at: self.at_unix_ms,
            limits: self.limits.iter().filter_map(UseOfLimit::state).collect(),
        }
    }
}

// === impl UseOfLimit ===

impl UseOfLimit {
    /// Returns the state, or `None` for a unit or a window of a later version.
    fn state(&self) -> Option<LimitState> {
        let units = [
            Unit::Requests,
            Unit::Tokens,
            Unit::InputTokens,
            Unit::OutputTokens,
        ];
        let windows = [Window::Minute, Window::Hour, Window::Day];
        Some(LimitState {
            unit: units.into_iter().find(|unit| unit.code() == self.unit)?,
            window: windows
                .into_iter()
                .find(|window| window.code() == self.window)?,
            shares: self.resources.iter().map(UseOfResource::state).collect(),
        })
    }
}

// === impl UseOfResource ===

impl UseOfResource {
    fn of(share: ShareState) -> Self {
        Self {
            name: share.resource.as_ref().to_owned(),
            used: share.used,
            peaks: share.peaks,
        }
    }

    fn state(&self) -> ShareState {
        ShareState {
            resource: self.name.as_str().into(),
            used: self.used.clone(),
            peaks: self.peaks.clone(),
        }
    }
}
