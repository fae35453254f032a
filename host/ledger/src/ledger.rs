//! The ledger: its lock, and the work done before taking it.
//!
//! There is a single mutex. A request reserves on all of its accounts or on none, so a sharded ledger would have to take
//! several locks in order, while the work under the lock takes a fraction of a microsecond.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::books::{Books, Ceiling, Claim, Denial, End, Few, Share};
use crate::charge::{Charge, MAX_ACCOUNT_BYTES, OnShortfall, Reason, Refused};
use crate::hold::Hold;
use crate::journal::{BalanceKey, Change, Export, Journal, Position, Step};
use crate::statement::{Abandoned, Cleared, Page, Settled, Snapshot, Statement, Totals};
use crate::{Amounts, Bounds, Unit, UnixMillis, Window};

/// Number of balances that a page or a snapshot reads per locking.
const BALANCES_PER_LOCK: usize = 512;

/// A ledger of accounts and the holds on them.
///
/// The caller's clock may be set back: a period that has begun lasts until its end. The clock should not run ahead, because a
/// reservation in the future opens a future period, which then lasts.
#[derive(Debug)]
pub struct Ledger {
    books: Mutex<Books>,
    hasher: RandomState,
}

// === impl Ledger ===

impl Ledger {
    /// Creates an empty ledger with the default bounds.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_bounds(Bounds::default())
    }

    /// Creates an empty ledger with these bounds. Memory is allocated as needed.
    ///
    /// A balance is evicted when its period has ended, or when it has no spending and either was idle for a minute or its room is
    /// needed. Spending in a [`crate::Window::Total`] stays for the life of the ledger: an owner whose room is full of such
    /// balances gets no more accounts, because evicting one would forget spending.
    #[must_use]
    pub fn with_bounds(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            books: Mutex::new(Books::new(bounds)),
            hasher: RandomState::default(),
        })
    }

    /// Changes the bounds. Existing balances stay.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.books.lock().set_bounds(bounds);
    }

    /// Sets the parts of a limit, in percent, whose crossing is reported: by [`Settled::crossings`], and at 100 % also by the
    /// first refusal of a window ([`Reason::Spent`]). None at first.
    pub fn set_marks(&self, marks: &[u8]) {
        self.books.lock().set_marks(marks);
    }

    /// Reserves all charges or none. New accounts take up room of `owner`.
    ///
    /// Charges with the same account, window and unit form one reservation: the sum of their amounts is checked against the
    /// limit of each, and the actual usage is counted once.
    ///
    /// Merging takes time quadratic in the number of charges, which callers bound (a few dozen are negligible).
    ///
    /// # Errors
    /// [`Refused`], with the charges, if one of them does not fit or the ledger has no room for its balance.
    pub fn reserve(
        self: &Arc<Self>,
        charges: Vec<Charge>,
        owner: &str,
        now: UnixMillis,
    ) -> Result<Hold, Refused> {
        self.reserve_as("", charges, owner, now)
    }

    /// Reserves all charges or none, as [`Ledger::reserve`] does, for a hold of this name. The name is for the journal: a
    /// reader that finds the hold there after a crash learns from it what the hold was for.
    ///
    /// # Errors
    /// [`Refused`], as [`Ledger::reserve`].
    pub fn reserve_as(
        self: &Arc<Self>,
        name: &str,
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
        let reserved = {
            let mut books = self.books.lock();
            let reserved = books.reserve(&charges, &claims, (owner, name), now);
            reserved.map(|(hold, shares)| ((hold, books.position()), shares))
        };
        match reserved {
            Ok((opened, shares)) => Ok(Hold::new(Arc::clone(self), opened, charges, shares)),
            Err(Denial { index, reason }) => Err(Refused {
                charges,
                index,
                reason,
            }),
        }
    }

    /// Returns the totals over all balances. Cheap.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.books.lock().totals()
    }

    /// Returns the totals and every balance. The cost is proportional to the number of balances, but no request waits long.
    #[must_use]
    pub fn snapshot(&self, now: UnixMillis) -> Snapshot {
        let Page { balances, .. } = self.page(0, usize::MAX, now);
        Snapshot {
            totals: self.totals(),
            balances,
        }
    }

    /// Returns up to `most` balances from `start` on, which is 0 or the previous page's [`Page::next`]. No request waits long. A
    /// balance that exists throughout is on exactly one page.
    #[must_use]
    pub fn page(&self, start: usize, most: usize, now: UnixMillis) -> Page {
        let mut balances = Vec::new();
        let mut next = Some(start);
        while let Some(start) = next
            && balances.len() < most
        {
            // Memory is allocated outside of the lock.
            balances.reserve(BALANCES_PER_LOCK.min(most - balances.len()));
            next = self
                .books
                .lock()
                .list(start, BALANCES_PER_LOCK, most, now, &mut balances);
        }
        Page { balances, next }
    }

    /// Returns the statement of an account's current window, or `None` if nothing was charged to it. The sessions in use count all of
    /// an account's seats.
    #[must_use]
    pub fn statement(
        &self,
        account: &Arc<str>,
        window: Window,
        unit: Unit,
        now: UnixMillis,
    ) -> Option<Statement> {
        let charge = Charge::of_nothing(account, window, unit);
        let hash = self.hasher.hash_one((&**account, window, unit));
        self.books.lock().statement_of(hash, &charge, now)
    }

    /// Sets the limit that statements of an account's current window show until the next request. Limits belong to charges, so nothing
    /// else changes.
    pub fn show_limit(
        &self,
        account: &Arc<str>,
        window: Window,
        unit: Unit,
        limit: u64,
        now: UnixMillis,
    ) {
        let charge = Charge::of_nothing(account, window, unit);
        let hash = self.hasher.hash_one((&**account, window, unit));
        self.books.lock().show_limit(hash, &charge, limit, now);
    }

    /// Takes the usage off an account's current window, or off all of a window that slides. What open holds reserve stays, and is
    /// counted when they end. The units in flight and sessions have no usage to take off.
    ///
    /// A reset of a name that is remembered ([`crate::Resets`]) is not made again. Without a name, it always is.
    pub fn reset(
        &self,
        name: &str,
        account: &Arc<str>,
        window: Window,
        unit: Unit,
        now: UnixMillis,
    ) -> Cleared {
        let charge = Charge::of_nothing(account, window, unit);
        let hash = self.hasher.hash_one((&**account, window, unit));
        self.books.lock().reset(name, hash, &charge, now)
    }

    /// Copies every balance for the ledger's own journal, and reports each step from that moment on to it, in this epoch, which is
    /// greater than every earlier one. Takes the place of an earlier journal. Holds the lock while copying, as
    /// [`Ledger::export`] does. Holds that are open now are reported without their names.
    #[must_use]
    pub fn attach(&self, epoch: u64, journal: impl Journal, now: UnixMillis) -> Export {
        self.books.lock().attach(epoch, Box::new(journal), now)
    }

    /// Stops reporting to the ledger's own journal.
    pub fn detach(&self) {
        self.books.lock().detach();
    }

    /// Returns the place of the last step.
    #[must_use]
    pub fn position(&self) -> Position {
        self.books.lock().position()
    }

    /// Copies every balance for the successor, and reports each step from that moment on to `journal`. Holds the lock while
    /// copying: some tens of milliseconds for a full ledger, once.
    ///
    /// This ledger continues as before, without knowing about the successor's decisions.
    #[must_use]
    pub fn export(&self, journal: impl Journal, now: UnixMillis) -> Export {
        self.books.lock().export(Box::new(journal), now)
    }

    /// Stops reporting to the journal of the successor.
    pub fn close_journal(&self) {
        self.books.lock().close_journal();
    }

    /// Adds the balances of a predecessor, including the reservations of its holds. Returns the number of balances rejected for
    /// lack of room, which are not counted here.
    pub fn inherit(&self, export: &Export, now: UnixMillis) -> usize {
        let mut books = self.books.lock();
        books.inherit_holds(export.open_holds);
        let positions = export.applied.iter().copied();
        books.inherit_positions(positions.chain([export.position]));
        books.inherit_resets(&export.resets);
        books.inherit(&export.balances, &|key| self.hash(key), now)
    }

    /// Repeats a step of the predecessor. Call it in order, and once per step unless `origin`, the place of the step there, is
    /// known: then a step that is counted already changes nothing. Of names only those of resets matter: one that is known changes nothing, either.
    /// For a hold that is unknown here only the usage counts. Returns the number of balances rejected for lack of room.
    pub fn apply(
        &self,
        origin: Option<Position>,
        (step, name): (Step, &str),
        changes: &[Change],
        now: UnixMillis,
    ) -> usize {
        let mut books = self.books.lock();
        if origin.is_some_and(|origin| books.has_applied(origin)) {
            return 0;
        }
        books.apply((step, name), changes, origin, &|key| self.hash(key), now)
    }

    /// Returns the last step of an epoch of a predecessor that is counted here, or 0 if there is none.
    #[must_use]
    pub fn applied(&self, epoch: u64) -> u64 {
        self.books.lock().last_applied(epoch)
    }

    /// Settles the holds of a predecessor that has died at their last extensions, as if they were dropped. Returns those that
    /// were open.
    pub fn abandon_inherited(&self) -> Abandoned {
        self.books.lock().abandon_inherited()
    }

    fn hash(&self, key: &BalanceKey) -> u64 {
        self.hasher.hash_one((&*key.account, key.window, key.unit))
    }

    pub(crate) fn extend(
        &self,
        hold: u64,
        shares: &mut [Share],
        amounts: Amounts,
    ) -> Result<Position, Denial> {
        let mut books = self.books.lock();
        books.extend(hold, shares, amounts)?;
        Ok(books.position())
    }

    pub(crate) fn settle(
        &self,
        hold: u64,
        shares: Few<Share>,
        amounts: Amounts,
        end: End,
    ) -> Settled {
        self.books.lock().settle(hold, shares, amounts, end)
    }

    pub(crate) fn split(&self, hold: u64, units: &[Unit], name: &str) -> (u64, Position) {
        self.books.lock().split(hold, units, name)
    }

    /// Merges the charges that share a balance. Runs without the lock.
    fn claims(&self, charges: &[Charge]) -> Result<Few<Claim>, Denial> {
        let mut claims = Few::<Claim>::new();
        for (index, charge) in charges.iter().enumerate() {
            let bytes = charge.account.len();
            if bytes > MAX_ACCOUNT_BYTES {
                return Err(self
                    .books
                    .lock()
                    .deny(index, Reason::AccountTooLong { bytes }));
            }
            let hash = self
                .hasher
                .hash_one((&*charge.account, charge.window, charge.unit));
            let limit = Ceiling {
                limit: charge.limit,
                index,
            };
            let ceiling = (charge.shortfall != OnShortfall::Overdraw).then_some(limit);
            let cap = (charge.shortfall == OnShortfall::Refuse).then_some(limit);
            let same = |claim: &&mut Claim| {
                let first = charges.get(claim.index);
                claim.hash == hash && first.is_some_and(|first| first.shares_balance_with(charge))
            };
            match claims.iter_mut().find(same) {
                Some(claim) => {
                    let amount = u128::from(charge.amount);
                    // A session takes one seat, whoever charges for it.
                    claim.amount = match charge.unit {
                        Unit::Sessions => claim.amount.max(amount),
                        _ => claim.amount + amount,
                    };
                    claim.limit = claim.limit.min(charge.limit);
                    claim.ceiling = [claim.ceiling, ceiling].into_iter().flatten().min();
                    claim.cap = [claim.cap, cap].into_iter().flatten().min();
                }
                None => {
                    let amount = u128::from(charge.amount);
                    claims.push(Claim {
                        hash,
                        index,
                        amount,
                        limit: charge.limit,
                        ceiling,
                        cap,
                    });
                }
            }
        }
        Ok(claims)
    }
}
