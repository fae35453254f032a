//! The configuration of an upstream's capacity, as plain values.

use std::collections::HashSet;

use crate::amounts::Unit;
use crate::window::Window;

/// The largest amount of a limit, beyond what any upstream takes.
pub const MAX_AMOUNT: u64 = 1 << 53;

/// The most resources that a capacity is shared between.
pub const MAX_RESOURCES: usize = 256;

/// The headroom of a need where the configuration says nothing.
pub(crate) const HEADROOM: Percent = Percent(50);

/// The capacity of one upstream, and the terms of those that share it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The limits, one for each unit and window. Without any, everything is admitted.
    pub limits: Vec<Limit>,
    /// The resources with terms of their own.
    pub shares: Vec<Share>,
    /// The terms of all other resources together.
    pub others: Terms,
    /// The part that is kept free above the largest use of lately: more of it is fewer refusals of important ones, and less to
    /// borrow. `None` is a half.
    pub headroom: Option<Percent>,
}

/// An amount that an upstream takes within a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The unit.
    pub unit: Unit,
    /// The window.
    pub window: Window,
    /// The amount.
    pub amount: u64,
}

/// A resource and its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The name of the resource.
    pub resource: Box<str>,
    /// The terms.
    pub terms: Terms,
}

/// The terms on which a resource shares a capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// The priority: the larger, the more important. Resources of the same priority take what comes first.
    pub priority: u8,
    /// The part that is always kept free for it, whatever it used, even from more important ones. `None` keeps what it needs.
    pub floor: Option<Percent>,
    /// The part that it never exceeds. `None` is the whole.
    pub ceiling: Option<Percent>,
}

/// A part of a capacity, in whole percent up to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

/// A mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A limit of nothing, which would refuse everything, or one that is too large to count.
    #[error("the limit of {} per {} must be from 1 to {MAX_AMOUNT}, and is {}", .0.unit, .0.window, .0.amount)]
    Amount(Limit),
    /// Two limits of one unit and window.
    #[error("there are two limits of {unit} per {window}")]
    SameLimit {
        /// The unit.
        unit: Unit,
        /// The window.
        window: Window,
    },
    /// A resource that is named twice, or by the name of the others, `*`.
    #[error("the resource `{0}` has terms already")]
    SameResource(Box<str>),
    /// A resource that could not use what is kept for it.
    #[error("the resource `{resource}` has a floor of {}% above its ceiling of {}%", .floor.0, .ceiling.0)]
    FloorAboveCeiling {
        /// The name of the resource; `*` for the others.
        resource: Box<str>,
        /// The floor.
        floor: Percent,
        /// The ceiling.
        ceiling: Percent,
    },
    /// Floors that cannot all be kept.
    #[error("the floors add up to {0}%, and there is no more than 100%")]
    Floors(u32),
    /// Too many resources.
    #[error("there are {0} resources, and a capacity is shared between at most {MAX_RESOURCES}")]
    TooMany(usize),
}

// === impl Config ===

impl Config {
    /// Returns all mistakes.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut known = HashSet::new();
        for limit in &self.limits {
            if limit.amount == 0 || limit.amount > MAX_AMOUNT {
                problems.push(Problem::Amount(*limit));
            }
            let (unit, window) = (limit.unit, limit.window);
            if !known.insert((unit, window)) {
                problems.push(Problem::SameLimit { unit, window });
            }
        }
        let mut names = HashSet::from([OTHERS]);
        for share in &self.shares {
            if !names.insert(&*share.resource) {
                problems.push(Problem::SameResource(share.resource.clone()));
            }
        }
        let mut floors = 0;
        for (resource, terms) in self.terms() {
            let floor = terms.floor.unwrap_or(Percent(0));
            floors += u32::from(floor.0);
            if let Some(ceiling) = terms.ceiling
                && floor > ceiling
            {
                problems.push(Problem::FloorAboveCeiling {
                    resource: resource.into(),
                    floor,
                    ceiling,
                });
            }
        }
        if floors > 100 {
            problems.push(Problem::Floors(floors));
        }
        if self.shares.len() > MAX_RESOURCES {
            problems.push(Problem::TooMany(self.shares.len()));
        }
        problems
    }

    /// Returns the terms with the names of their resources. Those of the others come first, as `*`.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (&str, Terms)> {
        let named = self.shares.iter();
        let named = named.map(|share| (&*share.resource, share.terms));
        std::iter::once((OTHERS, self.others)).chain(named)
    }
}

/// The name of all resources without terms of their own.
pub(crate) const OTHERS: &str = "*";

// === impl Percent ===

impl Percent {
    /// Creates a part, or returns `None` for more than the whole.
    #[must_use]
    pub const fn try_new(percent: u8) -> Option<Self> {
        if percent <= 100 {
            Some(Self(percent))
        } else {
            None
        }
    }

    /// Returns an amount and this part of it in addition, rounded up.
    pub(crate) fn more_than(self, amount: u64) -> u64 {
        let part = (u128::from(amount) * u128::from(self.0)).div_ceil(100);
        // No more than `amount`.
        amount.saturating_add(u64::try_from(part).unwrap_or(amount))
    }

    /// Returns the part of an amount, rounded down, so that parts never add up to more than the whole.
    pub(crate) fn of(self, amount: u64) -> u64 {
        let part = u128::from(amount) * u128::from(self.0) / 100;
        // No more than `amount`.
        u64::try_from(part).unwrap_or(amount)
    }
}
