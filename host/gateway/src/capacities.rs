//! The capacities of the upstreams that have one, kept across reloads.

mod carried;

use std::collections::BTreeMap;
use std::sync::Arc;

use witgate_capacity::{Capacity, Config as CapacityConfig};

use crate::clock::now;
use crate::config::Config;

/// The capacities, by the name of the upstream.
#[derive(Default)]
pub(crate) struct Capacities {
    by_upstream: BTreeMap<String, Shared>,
}

/// A capacity with the configuration that it was made of.
struct Shared {
    config: CapacityConfig,
    capacity: Arc<Capacity>,
}

// === impl Capacities ===

impl Capacities {
    /// Creates the capacities of a configuration. One whose configuration has not changed is kept, and one that has goes on
    /// from what was used.
    ///
    /// # Errors
    ///
    /// The mistakes in it, one line each. A checked configuration has none.
    pub(crate) fn prepare(config: &Config, previous: Option<&Self>) -> Result<Self, String> {
        let mut by_upstream = BTreeMap::new();
        let mut problems = Vec::new();
        for upstream in &config.upstreams {
            let Some(wanted) = &upstream.capacity else {
                continue;
            };
            let wanted = config
                .resources
                .sharing(wanted.limits.clone(), wanted.headroom);
            let running = previous.and_then(|previous| previous.by_upstream.get(&upstream.name));
            let capacity = match running {
                Some(running) if running.config == wanted => Ok(Arc::clone(&running.capacity)),
                Some(running) => {
                    let now = now().0;
                    Capacity::try_resume(&wanted, &running.capacity.state(now), now)
                }
                None => Capacity::try_new(&wanted),
            };
            match capacity {
                Ok(capacity) => {
                    let config = wanted;
                    by_upstream.insert(upstream.name.clone(), Shared { config, capacity });
                }
                Err(found) => problems.extend(
                    found
                        .iter()
                        .map(|problem| format!("upstreams.{}.capacity: {problem}", upstream.name)),
                ),
            }
        }
        if problems.is_empty() {
            Ok(Self { by_upstream })
        } else {
            Err(problems.join("\n"))
        }
    }

    /// Returns the capacity of an upstream, or `None` if it has no limit.
    pub(crate) fn of(&self, upstream: &str) -> Option<&Arc<Capacity>> {
        let shared = self.by_upstream.get(upstream);
        shared.map(|shared| &shared.capacity)
    }

    /// Returns the capacities with the names of their upstreams.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Capacity>)> {
        let all = self.by_upstream.iter();
        all.map(|(upstream, shared)| (upstream.as_str(), &shared.capacity))
    }
}
