//! A capacity: admits requests of resources, and counts what they use.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::amounts::Amounts;
use crate::clock::Clock;
use crate::config::{Config, HEADROOM, Limit, OTHERS, Problem};
use crate::gauge::{Gauge, Short};
use crate::lease::Lease;
use crate::refused::{Cause, Refused};
use crate::state::{LimitState, State};
use crate::status::{LimitStatus, ShareStatus, Status, Tally};

/// The capacity of one upstream, shared out between resources.
///
/// All calls take one lock for as long as it takes to look at each resource in each limit. Nothing is allocated but for a
/// refusal's caller, and for pages.
#[derive(Debug)]
pub struct Capacity {
    /// The names of the resources. The others come first.
    names: Box<[Arc<str>]>,
    by_name: HashMap<Arc<str>, Resource>,
    books: Mutex<Books>,
}

/// A resource, as a capacity knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resource(u16);

/// The part of a capacity that changes.
#[derive(Debug)]
struct Books {
    clock: Clock,
    gauges: Box<[Gauge]>,
    tallies: Box<[Tally]>,
}

/// A limit without room, and the wait until it has some.
struct NoRoom {
    limit: Limit,
    short: Short,
    wait: Option<Duration>,
}

// === impl Capacity ===

impl Capacity {
    /// Creates a capacity that nothing was used of.
    ///
    /// # Errors
    ///
    /// All mistakes in the configuration.
    pub fn try_new(config: &Config) -> Result<Arc<Self>, Vec<Problem>> {
        Self::try_resume(config, &State::default(), 0)
    }

    /// Creates a capacity of which was used what another one says, of an earlier configuration, as with [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// All mistakes in the configuration.
    pub fn try_resume(config: &Config, state: &State, now: u64) -> Result<Arc<Self>, Vec<Problem>> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let names: Box<[Arc<str>]> = config.terms().map(|(name, _)| name.into()).collect();
        let numbered = (0..).map(Resource).zip(&names);
        let by_name: HashMap<_, _> = numbered
            .map(|(resource, name)| (Arc::clone(name), resource))
            .collect();
        let headroom = config.headroom.unwrap_or(HEADROOM);
        let terms = || config.terms().map(|(_, terms)| terms);
        let limits = config.limits.iter();
        let books = Books {
            gauges: limits
                .map(|limit| Gauge::new(*limit, terms(), headroom))
                .collect(),
            tallies: names.iter().map(|_| Tally::default()).collect(),
            clock: Clock::default(),
        };
        let capacity = Self {
            books: Mutex::new(books),
            by_name,
            names,
        };
        capacity.resume(state, now);
        Ok(Arc::new(capacity))
    }

    /// Goes on, with a capacity that nothing was used of yet, from what another one says was used: of an earlier configuration, or
    /// of another process. Resources that have no terms any more count for the others; limits that are new begin with
    /// nothing used.
    pub fn resume(&self, state: &State, now: u64) {
        let mut books = self.books.lock();
        // A state of the future is one of a clock that was set back since.
        books.turn(state.at);
        for gauge in &mut books.gauges {
            let limit = gauge.limit;
            let mut limits = state.limits.iter();
            let same =
                limits.find(|state| state.unit == limit.unit && state.window == limit.window);
            if let Some(state) = same {
                let find = |name: &str| self.by_name.get(name).map(|resource| resource.place());
                state.restore(gauge, find);
            }
        }
        books.turn(now);
    }

    /// Returns the resource of a name. Names without terms of their own share one.
    #[must_use]
    pub fn resource(&self, name: &str) -> Resource {
        // The name of the others is none that a request could use to say so.
        let found = self.by_name.get(name).copied();
        found.unwrap_or(Resource(0))
    }

    /// Returns the name of a resource, `*` for those without terms of their own.
    #[must_use]
    pub fn name(&self, resource: Resource) -> &str {
        let name = self.names.get(resource.place());
        name.map_or(OTHERS, |name| name)
    }

    /// Admits a request that is estimated to use these amounts, on all limits or on none. Time is in Unix milliseconds.
    ///
    /// # Errors
    ///
    /// [`Refused`]: a limit has no room for it now.
    pub fn admit(
        self: &Arc<Self>,
        resource: Resource,
        estimate: Amounts,
        now: u64,
    ) -> Result<Lease, Refused> {
        let mut books = self.books.lock();
        let at = books.turn(now);
        let Some(no_room) = books.without_room(resource, estimate) else {
            for gauge in &mut books.gauges {
                gauge.add(resource.place(), estimate.of(gauge.limit.unit));
            }
            books.tally(resource.place(), |tally| &mut tally.admitted);
            return Ok(Lease::new(Arc::clone(self), resource, estimate, at));
        };
        books.tally(resource.place(), |tally| &mut tally.refused);
        if let Short::Shortage {
            gave_way_to: Some(other),
        } = no_room.short
        {
            books.tally(other, |tally| &mut tally.given_way);
        }
        drop(books);
        Err(self.refused(resource, &no_room))
    }

    /// Puts what was used in the place of what was admitted. Without a time, the last one known counts.
    pub(crate) fn settle(
        &self,
        resource: Resource,
        (at, admitted): (u64, Amounts),
        used: Amounts,
        now: Option<u64>,
    ) {
        let mut books = self.books.lock();
        if let Some(now) = now {
            books.turn(now);
        }
        for gauge in &mut books.gauges {
            let unit = gauge.limit.unit;
            gauge.settle(resource.place(), at, admitted.of(unit), used.of(unit));
        }
    }

    fn refused(&self, resource: Resource, no_room: &NoRoom) -> Refused {
        let name = |place: usize| {
            let name = self.names.get(place).map(Arc::clone);
            name.unwrap_or_else(|| OTHERS.into())
        };
        Refused {
            resource: name(resource.place()),
            limit: no_room.limit,
            cause: match no_room.short {
                Short::TooLarge { asked, most } => Cause::TooLarge { asked, most },
                Short::Ceiling { most } => Cause::Ceiling { most },
                Short::Shortage { gave_way_to } => Cause::Shortage {
                    gave_way_to: gave_way_to.map(name),
                },
            },
            retry_after: no_room.wait,
        }
    }

    /// Returns the state for pages and metrics.
    #[must_use]
    pub fn status(&self, now: u64) -> Status {
        let mut books = self.books.lock();
        books.turn(now);
        let limits = books.gauges.iter().map(|gauge| LimitStatus {
            limit: gauge.limit,
            used: clipped(gauge.total()),
            shares: self
                .names
                .iter()
                .zip(gauge.lines())
                .map(|(name, line)| ShareStatus {
                    resource: Arc::clone(name),
                    used: clipped(line.recent.sum()),
                    need: line.need(gauge.now()),
                })
                .collect(),
        });
        let tallies = self.names.iter().zip(&books.tallies);
        Status {
            limits: limits.collect(),
            tallies: tallies
                .map(|(name, tally)| (Arc::clone(name), *tally))
                .collect(),
        }
    }

    /// Returns the use, for [`resume`](Self::resume). Leases that are open count with their estimates, and are settled
    /// here alone.
    #[must_use]
    pub fn state(&self, now: u64) -> State {
        let mut books = self.books.lock();
        books.turn(now);
        let gauges = books.gauges.iter();
        State {
            at: now,
            limits: gauges
                .map(|gauge| LimitState::of(gauge, &self.names))
                .collect(),
        }
    }
}

// === impl Resource ===

impl Resource {
    fn place(self) -> usize {
        usize::from(self.0)
    }
}

// === impl Books ===

impl Books {
    /// Goes on to a time, and returns it as our clock has it.
    fn turn(&mut self, now: u64) -> u64 {
        let at = self.clock.at(now);
        for gauge in &mut self.gauges {
            gauge.turn(at);
        }
        at
    }

    /// Returns the limit that has no room for the amounts for the longest time, or `None` if all have. Each one without room
    /// waits for the resource.
    fn without_room(&mut self, resource: Resource, estimate: Amounts) -> Option<NoRoom> {
        let mut longest: Option<NoRoom> = None;
        for gauge in &mut self.gauges {
            let amount = estimate.of(gauge.limit.unit);
            let Some(short) = gauge.short(resource.place(), amount) else {
                continue;
            };
            let wait = gauge.wait(resource.place(), amount, short);
            if let Short::Shortage { .. } = short {
                gauge.want(resource.place(), amount);
            }
            let length = |wait: Option<Duration>| wait.unwrap_or(Duration::MAX);
            if longest
                .as_ref()
                .is_none_or(|other| length(other.wait) < length(wait))
            {
                longest = Some(NoRoom {
                    limit: gauge.limit,
                    short,
                    wait,
                });
            }
        }
        longest
    }

    fn tally(&mut self, resource: usize, count: impl Fn(&mut Tally) -> &mut u64) {
        if let Some(tally) = self.tallies.get_mut(resource) {
            let count = count(tally);
            *count = count.saturating_add(1);
        }
    }
}

fn clipped(used: u128) -> u64 {
    u64::try_from(used).unwrap_or(u64::MAX)
}
