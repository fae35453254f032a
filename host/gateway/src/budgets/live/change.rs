//! A change of a live limit: from a request of an operator to the limit as it is then, and the record of both.

use std::sync::Arc;

use rusqlite::Transaction;
use witgate_ledger::{Ledger, Unit, UnixMillis, Window};

use super::accounts::Kind;
use super::defaults;
use super::limit::{Basis, Interim, Key, Live, TopUp};
use super::records::{self, Seen};
use super::resets;

/// Most live limits of a gateway. All of them are in memory.
pub(crate) const MOST: usize = 1 << 16;

/// An operator's request for a change.
#[derive(Debug)]
pub(crate) struct Request {
    /// The name of the operator's key.
    pub(crate) actor: String,
    /// The operator's own words.
    pub(crate) reason: Option<String>,
    pub(crate) target: Target,
    pub(crate) change: Change,
    /// The version that the limit must have, if the operator has seen one.
    pub(crate) expected: Option<i64>,
    /// The name of the request, by which a repetition is noticed.
    pub(crate) once: Option<Once>,
}

/// The name of a request.
#[derive(Debug)]
pub(crate) struct Once {
    /// The operator's name for it.
    pub(crate) key: String,
    /// The hash of what was asked.
    pub(crate) digest: String,
}

/// The limit that a change is for.
#[derive(Debug)]
pub(crate) enum Target {
    /// That on an account, window and unit, which need not exist yet.
    Key(Key),
    /// That with an id.
    Id(String),
}

/// A change of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Sets the limit, or removes any limit with `None`.
    Set(Option<u64>),
    /// Adds an amount in the current period.
    TopUp(u64),
    /// Takes the spending off the current period.
    Reset,
    /// Sets the limit until a time, or removes any limit until then with `None`.
    Override(Option<u64>, UnixMillis),
    /// Ends a limit that would end by itself.
    EndOverride,
    /// Removes the live limit.
    Delete,
}

/// A change that was made.
#[derive(Debug)]
pub(crate) struct Done {
    /// What the change was on.
    pub(crate) seen: Seen,
    /// The name of a reset, which the ledger makes once the record is written.
    pub(crate) reset: Option<Arc<str>>,
    /// True if it was made by an earlier request of the same name.
    pub(crate) is_repeated: bool,
}

/// The reason for which a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no such limit.
    #[error("spend limit not found")]
    NotFound,
    /// Another operator has changed the limit.
    #[error(
        "the spend limit has version {current} now, and the request is for version {expected}: look at it again, and repeat the request with the version that you see"
    )]
    Conflict {
        /// The version of the limit, or 0 without one.
        current: i64,
        /// The version in the request.
        expected: i64,
    },
    /// The name of the request is that of another one.
    #[error(
        "this idempotency-key was used for another request: use a new one for each change, and the same only to repeat it"
    )]
    Reused,
    /// The unit has no periods.
    #[error(
        "unit: `{0}` counts what is in use now, so there is nothing to top up or to reset; set a limit, or override it"
    )]
    Level(&'static str),
    /// The sum is too large.
    #[error(
        "amount: the current period is topped up by too much; the sum must be below 2^64 units"
    )]
    TooMuch,
    /// The limit is that of each caller of a tier.
    #[error(
        "scope: the limit is for each caller of a tier, and their spending is their own: reset the account of a caller"
    )]
    NoSpending,
    /// Neither the gateway nor a plugin names such an account, so that no limit on it would hold.
    #[error(
        "scope.account: a limit on `{account}` would not hold: no plugin has charged it in this unit and window, and the gateway itself knows accounts of these kinds only: {}. If a plugin charges it, set the limit once a request was charged",
        Kind::WORDS
    )]
    Unnamed {
        /// The account.
        account: Arc<str>,
    },
    /// There are too many limits.
    #[error(
        "there are {MOST} live limits, which is the most: delete some, or write limits of tiers into the budget sidecar"
    )]
    TooMany,
}

// === impl Change ===

impl Change {
    /// Returns the name, as in the records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Set(_) => "spend_limit.upsert",
            Self::TopUp(_) => "spend_limit.top_up",
            Self::Reset => "spend_limit.reset",
            Self::Override(..) => "spend_limit.override",
            Self::EndOverride => "spend_limit.end_override",
            Self::Delete => "spend_limit.delete",
        }
    }
}

/// Makes a change, and writes it with its record into a transaction.
pub(super) fn make(
    transaction: &Transaction<'_>,
    ledger: &Ledger,
    request: &Request,
    now: UnixMillis,
) -> rusqlite::Result<Result<Done, Refusal>> {
    if let Some(once) = &request.once
        && let Some((digest, seen)) = records::made(transaction, &request.actor, &once.key)?
    {
        let done = Done {
            seen,
            reset: None,
            is_repeated: true,
        };
        return Ok(if digest == once.digest {
            Ok(done)
        } else {
            Err(Refusal::Reused)
        });
    }
    let before = match &request.target {
        Target::Key(key) => records::of_key(transaction, key)?,
        Target::Id(id) => records::of_id(transaction, id)?,
    };
    let current = before.as_ref().map_or(0, |live| live.version);
    if let Some(expected) = request.expected
        && expected != current
    {
        return Ok(Err(Refusal::Conflict { current, expected }));
    }
    let key = match (&before, &request.target) {
        (Some(live), _) => live.key.clone(),
        (None, Target::Key(key)) => key.clone(),
        (None, Target::Id(_)) => return Ok(Err(Refusal::NotFound)),
    };
    if request.change == Change::Reset && defaults::tier(&key.account).is_some() {
        return Ok(Err(Refusal::NoSpending));
    }
    let after = match after(before.as_ref(), key.clone(), request.change, now) {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if before.is_none() && after.is_some() {
        if !is_named(&key, ledger, now) {
            let account = key.account;
            return Ok(Err(Refusal::Unnamed { account }));
        }
        if records::count(transaction)? >= MOST {
            return Ok(Err(Refusal::TooMany));
        }
    }
    let reset = match request.change {
        Change::Reset => Some(resets::ask(transaction, &key, now)?),
        _ => None,
    };
    let seen = |live: Option<&Live>, used| {
        live.map_or_else(|| Seen::of_key(&key), Seen::of)
            .with_used(used)
    };
    let used = reset.as_ref().map(|_| {
        let found = ledger.statement(&key.account, key.window, key.unit, now);
        found.map_or(0, |found| found.used)
    });
    let told = (
        (before.is_some() || used.is_some()).then(|| seen(before.as_ref(), used)),
        (after.is_some() || used.is_some()).then(|| seen(after.as_ref(), used.map(|_| 0))),
    );
    let version = records::note(transaction, request, &told, now)?;
    let last = match &after {
        Some(live) => {
            let live = Live {
                version: if request.change == Change::Reset {
                    live.version
                } else {
                    version
                },
                ..live.clone()
            };
            records::write(transaction, &live)?;
            seen(Some(&live), used.map(|_| 0))
        }
        None => {
            if let Some(before) = &before {
                records::remove(transaction, &before.id)?;
            }
            seen(before.as_ref(), used.map(|_| 0))
        }
    };
    Ok(Ok(Done {
        seen: last,
        reset,
        is_repeated: false,
    }))
}

/// Returns whether requests are charged to an account: by the gateway, which can name it, or by a plugin, which has. The defaults of a
/// tier are for accounts that the gateway can name.
fn is_named(key: &Key, ledger: &Ledger, now: UnixMillis) -> bool {
    Kind::of(&key.account).is_some()
        || defaults::tier(&key.account).is_some()
        || ledger
            .statement(&key.account, key.window, key.unit, now)
            // There is a statement of sessions for any account.
            .is_some_and(|found| key.unit != Unit::Sessions || found.used > 0)
}

/// Returns the limit after a change, or `None` if there is none then.
fn after(
    before: Option<&Live>,
    key: Key,
    change: Change,
    now: UnixMillis,
) -> Result<Option<Live>, Refusal> {
    let is_level = matches!(key.unit, Unit::InFlight | Unit::Sessions);
    if is_level && matches!(change, Change::TopUp(_) | Change::Reset) {
        return Err(Refusal::Level(key.unit.code()));
    }
    let mut terms = before.map(|live| live.terms).unwrap_or_default();
    // What has ended is not carried along.
    terms.interim = terms.interim_at(now);
    terms.top_up = terms.top_up_at(now);
    match change {
        Change::Set(amount) => terms.basis = Basis::of(amount),
        Change::TopUp(amount) => {
            let earlier = terms.top_up.map_or(0, |top_up| top_up.amount);
            let amount = earlier.checked_add(amount).ok_or(Refusal::TooMuch)?;
            let until = period_end(key.window, now);
            terms.top_up = Some(TopUp { amount, until });
        }
        Change::Reset => return Ok(before.cloned()),
        Change::Override(amount, until) => terms.interim = Some(Interim { amount, until }),
        Change::EndOverride => {
            if terms.interim.take().is_none() {
                return Err(Refusal::NotFound);
            }
        }
        Change::Delete => {
            return before.map(|_| None).ok_or(Refusal::NotFound);
        }
    }
    if terms.is_over(now) {
        return Ok(None);
    }
    Ok(Some(match before {
        Some(live) => Live {
            terms,
            updated: now,
            ..live.clone()
        },
        None => Live {
            number: 0,
            id: format!("spl_{:024x}", rand::random::<u128>() >> 32).into(),
            key,
            terms,
            created: now,
            updated: now,
            version: 0,
            default: Arc::new(super::UNLIMITED.into()),
        },
    }))
}

/// Returns the end of the period in which an amount is added, or `None` if it never ends. In a window that slides, that is the length of
/// the window.
fn period_end(window: Window, now: UnixMillis) -> Option<UnixMillis> {
    match window {
        Window::Last(span) => {
            let millis = u64::from(span.whole_minutes()) * 60_000;
            Some(UnixMillis(now.0.saturating_add(millis)))
        }
        window => window.resets_at(now),
    }
}
