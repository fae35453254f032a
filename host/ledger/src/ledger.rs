//! The ledger: the lock, and what is done before it is taken.
//!
//! One mutex. A request names several accounts and gets all of them or none, so a ledger in parts would have to lock
//! several in order; what is done under the lock takes a fraction of a microsecond.

use crate::books::{Books, Ceiling, Claim, Denial, End, Few, Share};
use crate::charge::{Charge, MAX_ACCOUNT_BYTES, OnShortfall, Reason, Refused};
use crate::hold::Hold;
use crate::journal::{BalanceKey, Change, Export, Journal, Step};
use crate::statement::{Page, Settlement, Snapshot, Totals};
use crate::{Amounts, Bounds, UnixMillis};
use foldhash::fast::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Balances that a page or a snapshot looks at under one lock.
const PART: usize = 512;

/// Accounts with limits, and the holds on them.
///
/// The caller's clock may be set back: a period that has begun stays until its end. It should not be ahead: a
/// reservation in the future opens the future's period, which then stays.
#[derive(Debug)]
pub struct Ledger {
    books: Mutex<Books>,
    hasher: RandomState,
}

// === impl Ledger ===

impl Ledger {
    /// An empty ledger with the default bounds.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_bounds(Bounds::default())
    }

    /// An empty ledger that keeps at most so many balances. Memory is taken as it is needed.
    ///
    /// Balances go when their period is over, and when nothing was spent on them and nobody asked for a minute, or when
    /// their room is needed. What was spent in a [`crate::Window::Total`] stays for the life of the ledger: an owner
    /// whose room is full of it gets no more accounts, because forgetting one would forget spending.
    #[must_use]
    pub fn with_bounds(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            books: Mutex::new(Books::new(bounds)),
            hasher: RandomState::default(),
        })
    }

    /// Changes how many balances are kept. Those that are there stay.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.books().set_bounds(bounds);
    }

    /// Reserves all charges or none. The accounts that are new take room of `owner`.
    ///
    /// Charges of the same account, window and unit are one reservation: their amounts are added up, the sum is held
    /// against the limit of each, and what is true in the end is counted once.
    ///
    /// Merging them takes time in the square of their number: callers bound it (a few dozen are nothing).
    ///
    /// # Errors
    /// [`Refused`], with the charges, where one does not fit, or where the ledger can't keep its balance.
    pub fn reserve(
        self: &Arc<Self>,
        charges: Vec<Charge>,
        owner: &str,
        now: UnixMillis,
    ) -> Result<Hold, Refused> {
        let claims = match self.claims(&charges) {
            Ok(claims) => claims,
            Err(Denial { index, reason }) => {
                return Err(Refused {
                    charges,
                    index,
                    reason,
                });
            }
        };
        let reserved = self.books().reserve(&charges, &claims, owner, now);
        match reserved {
            Ok(shares) => Ok(Hold::new(Arc::clone(self), charges, shares)),
            Err(Denial { index, reason }) => Err(Refused {
                charges,
                index,
                reason,
            }),
        }
    }

    /// The counts over all balances. Cheap.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.books().totals()
    }

    /// The counts and every balance. The cost is in proportion to their number, but no request waits long for it.
    #[must_use]
    pub fn snapshot(&self, now: UnixMillis) -> Snapshot {
        let Page { balances, .. } = self.page(0, usize::MAX, now);
        Snapshot {
            totals: self.totals(),
            balances,
        }
    }

    /// Up to `most` balances from the place `start` on, which is 0 or what the page before says. No request waits long for
    /// it. A balance that lives through all pages is on exactly one of them.
    #[must_use]
    pub fn page(&self, start: usize, most: usize, now: UnixMillis) -> Page {
        let mut balances = Vec::new();
        let mut next = Some(start);
        while let Some(start) = next
            && balances.len() < most
        {
            // Room is made without the lock.
            balances.reserve(PART.min(most - balances.len()));
            next = self.books().state(start, PART, most, now, &mut balances);
        }
        Page { balances, next }
    }

    /// Copies every balance for the ledger that takes over, and tells `journal` of each step from that very moment on.
    /// The lock is held for the copy: some tens of milliseconds for a full ledger, once.
    ///
    /// This ledger goes on as before. What it decides from here on it decides without knowing what the other one does.
    #[must_use]
    pub fn export(&self, journal: impl Journal, now: UnixMillis) -> Export {
        self.books().export(Box::new(journal), now)
    }

    /// Tells the journal of nothing more.
    pub fn close_journal(&self) {
        self.books().close_journal();
    }

    /// Adds the balances of another ledger, with what its holds have reserved there. Gives back how many balances found
    /// no room; they are not counted here.
    pub fn inherit(&self, export: &Export, now: UnixMillis) -> usize {
        let mut books = self.books();
        books.inherit_holds(export.open_holds);
        books.inherit(&export.balances, &|key| self.hash(key), now)
    }

    /// Repeats a step of the other ledger. To be called once for each, in their order: a step that is repeated twice
    /// counts twice. A step of a hold that is not known here counts what it used and nothing else. Gives back how many
    /// balances found no room.
    pub fn apply(&self, step: Step, changes: &[Change], now: UnixMillis) -> usize {
        self.books()
            .apply(step, changes, &|key| self.hash(key), now)
    }

    /// The other ledger is gone: its holds settle at their last extension, as holds do that are dropped. Says how many
    /// were open.
    pub fn orphan(&self) -> u64 {
        self.books().orphan()
    }

    fn hash(&self, key: &BalanceKey) -> u64 {
        self.hasher.hash_one((&*key.account, key.window, key.unit))
    }

    pub(crate) fn extend(&self, shares: &mut [Share], amounts: Amounts) -> Result<(), Denial> {
        self.books().extend(shares, amounts)
    }

    pub(crate) fn settle(&self, shares: Few<Share>, amounts: Amounts, end: End) -> Settlement {
        self.books().settle(shares, amounts, end)
    }

    pub(crate) fn split(&self) {
        self.books().split();
    }

    /// Merges the charges that share a balance. Done without the lock.
    fn claims(&self, charges: &[Charge]) -> Result<Few<Claim>, Denial> {
        let mut claims = Few::<Claim>::new();
        for (index, charge) in charges.iter().enumerate() {
            let bytes = charge.account.len();
            if bytes > MAX_ACCOUNT_BYTES {
                return Err(self.books().deny(index, Reason::AccountTooLong { bytes }));
            }
            let hash = self
                .hasher
                .hash_one((&*charge.account, charge.window, charge.unit));
            let refuses = charge.shortfall == OnShortfall::Refuse;
            let ceiling = refuses.then_some(Ceiling {
                limit: charge.limit,
                index,
            });
            let same = |claim: &&mut Claim| {
                let first = charges.get(claim.index);
                claim.hash == hash && first.is_some_and(|first| first.shares_balance_with(charge))
            };
            match claims.iter_mut().find(same) {
                Some(claim) => {
                    claim.amount += u128::from(charge.amount);
                    claim.limit = claim.limit.min(charge.limit);
                    claim.ceiling = [claim.ceiling, ceiling].into_iter().flatten().min();
                }
                None => {
                    let amount = u128::from(charge.amount);
                    claims.push(Claim {
                        hash,
                        index,
                        amount,
                        limit: charge.limit,
                        ceiling,
                    });
                }
            }
        }
        Ok(claims)
    }

    /// Nothing under the lock can panic half-way, so a poisoned lock is as good as any.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
