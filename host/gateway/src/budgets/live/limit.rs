//! A live limit: what an operator has set on one account, window and unit, and what of it holds at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};
use witgate_ledger::{Unit, UnixMillis, Window};

/// A limit that nothing reaches.
pub(crate) const UNLIMITED: u64 = u64::MAX;

/// What a limit is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The account, as it is named on the page `/budgets`.
    pub(crate) account: Arc<str>,
    pub(crate) window: Window,
    pub(crate) unit: Unit,
}

/// A live limit.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// The position in the list of limits.
    pub(crate) number: i64,
    pub(crate) id: Arc<str>,
    pub(crate) key: Key,
    pub(crate) terms: Terms,
    pub(crate) created: UnixMillis,
    pub(crate) updated: UnixMillis,
    /// The number of the last change, by which two writers notice each other.
    pub(crate) version: i64,
    /// The default limit of the last request, or [`UNLIMITED`] if there was none yet.
    pub(crate) default: Arc<AtomicU64>,
}

/// The parts of a live limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    #[serde(default)]
    pub(crate) basis: Basis,
    /// A limit that ends by itself.
    #[serde(default)]
    pub(crate) interim: Option<Interim>,
    /// An amount beyond the limit.
    #[serde(default)]
    pub(crate) top_up: Option<TopUp>,
}

/// The limit that holds unless an interim one does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Basis {
    /// The one that the plugin asks for.
    #[default]
    Default,
    /// This amount.
    Amount(u64),
    /// None.
    Unlimited,
}

/// A limit until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interim {
    /// The limit, or `None` for no limit.
    pub(crate) amount: Option<u64>,
    pub(crate) until: UnixMillis,
}

/// An amount beyond the limit, for one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TopUp {
    pub(crate) amount: u64,
    /// The end of the period, or `None` if it never ends.
    pub(crate) until: Option<UnixMillis>,
}

/// The part that a limit in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The plugin, by its sidecar.
    Sidecar,
    /// A limit that was set.
    Live,
    /// A limit that ends by itself.
    Override,
}

// === impl Live ===

impl Live {
    /// Returns the limit in force, or `None` if there is none. `default` is the plugin's, if it asks for one.
    pub(crate) fn limit(&self, default: Option<u64>, now: UnixMillis) -> Option<u64> {
        if let Some(default) = default {
            self.default.store(default, Relaxed);
        }
        self.terms.limit(default, now)
    }

    /// Returns the default limit of the last request, or `None` if there was none yet.
    pub(crate) fn last_default(&self) -> Option<u64> {
        Some(self.default.load(Relaxed)).filter(|default| *default != UNLIMITED)
    }
}

// === impl Terms ===

impl Terms {
    /// Returns the limit in force: the interim one until its end, else the one that is set, else the default, and beyond each of them
    /// what the period was topped up by. Returns `None` if none of them is there.
    pub(crate) fn limit(&self, default: Option<u64>, now: UnixMillis) -> Option<u64> {
        let limit = match (self.interim_at(now), self.basis) {
            (Some(interim), _) => interim.amount.unwrap_or(UNLIMITED),
            (None, Basis::Amount(amount)) => amount,
            (None, Basis::Unlimited) => UNLIMITED,
            (None, Basis::Default) => default?,
        };
        let more = self.top_up_at(now).map_or(0, |top_up| top_up.amount);
        Some(limit.saturating_add(more))
    }

    /// Returns the part that the limit in force comes from.
    pub(crate) fn origin(&self, now: UnixMillis) -> Origin {
        match (self.interim_at(now), self.basis) {
            (Some(_), _) => Origin::Override,
            (None, Basis::Amount(_) | Basis::Unlimited) => Origin::Live,
            (None, Basis::Default) => Origin::Sidecar,
        }
    }

    /// Returns the interim limit if it has not ended.
    pub(crate) fn interim_at(&self, now: UnixMillis) -> Option<Interim> {
        self.interim.filter(|interim| now < interim.until)
    }

    /// Returns the amount beyond the limit if its period has not ended.
    pub(crate) fn top_up_at(&self, now: UnixMillis) -> Option<TopUp> {
        let ended = |top_up: &TopUp| top_up.until.is_some_and(|until| now >= until);
        self.top_up.filter(|top_up| !ended(top_up))
    }

    /// Returns whether nothing of it is in force, now or later.
    pub(crate) fn is_over(&self, now: UnixMillis) -> bool {
        self.basis == Basis::Default
            && self.interim_at(now).is_none()
            && self.top_up_at(now).is_none()
    }
}

// === impl Basis ===

impl Basis {
    /// Returns the basis with an amount, or without a limit.
    pub(crate) fn of(amount: Option<u64>) -> Self {
        amount.map_or(Self::Unlimited, Self::Amount)
    }
}

// === impl Origin ===

impl Origin {
    /// Returns the name, as in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Live => "live",
            Self::Override => "override",
        }
    }
}

#[cfg(test)]
mod tests;
