//! The state of an upstream or a group in a few figures, which policies route by.

use std::time::Instant;

use super::Upstream;
use super::admission::State;
use super::breaker::Alternative;
use super::group::Group;
use super::stats::Minute;

/// The figures of an upstream or a group.
#[derive(Debug)]
pub struct Summary {
    /// The name of the upstream or group.
    pub name: String,
    /// Requests in flight.
    pub in_flight: u32,
    /// Requests that ended within the last minute.
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
    /// Further facts by their names.
    pub attributes: Vec<(String, String)>,
}

// === impl Upstream ===

impl Upstream {
    /// Returns the figures of the upstream.
    pub(super) fn summary(&self, now: Instant) -> Summary {
        let minute = self.stats.minute(now);
        let mut attributes = Vec::new();
        // The normal state is left out: plugins may ask for this with each request.
        let state = self.state(now);
        if state != State::Available {
            attributes.push(("state".to_owned(), state.code().to_owned()));
        }
        if let Some(average) = self.stats.latency.average() {
            attributes.push(("latency_ms".to_owned(), average.as_millis().to_string()));
        }
        Summary {
            name: self.config.name.clone(),
            in_flight: self.stats.in_flight(),
            requests: minute.requests,
            errors: minute.errors,
            attributes,
        }
    }
}

// === impl Group ===

impl Group {
    /// Returns the figures of all members together.
    pub(super) fn summary(&self, now: Instant) -> Summary {
        let mut in_flight = 0_u32;
        let mut sum = Minute::default();
        for member in self.members() {
            let minute = member.upstream.stats.minute(now);
            in_flight = in_flight.saturating_add(member.upstream.stats.in_flight());
            sum.requests += minute.requests;
            sum.errors += minute.errors;
        }
        let takes = |alternative| {
            let mut members = self.members().iter();
            members.any(|member| member.upstream.takes(alternative, now))
        };
        let state = if takes(Alternative::Available) {
            "available"
        } else if takes(Alternative::None) {
            "failing"
        } else {
            "open"
        };
        let members: Vec<_> = self
            .members()
            .iter()
            .map(|member| format!("{}:{}", member.upstream.config.name, member.weight))
            .collect();
        Summary {
            name: self.name.clone(),
            in_flight,
            requests: sum.requests,
            errors: sum.errors,
            attributes: vec![
                ("kind".into(), "group".into()),
                ("state".into(), state.into()),
                ("members".into(), members.join(",")),
            ],
        }
    }
}
