//! A request's reservation, until it ends.

use std::sync::Arc;

use crate::books::{End, Few, Share};
use crate::charge::{Charge, Refused};
use crate::journal::Position;
use crate::statement::{Settled, Standing};
use crate::{Amounts, Ledger, Unit};

/// An amount reserved on accounts. A hold ends exactly once: settled, released or dropped.
///
/// A hold settles into the periods it was reserved in, even if those have ended. A dropped hold settles at the amounts of
/// its last extension, or is released if there was none.
#[derive(Debug)]
#[must_use = "a hold that is dropped at once reserves nothing"]
pub struct Hold {
    ledger: Arc<Ledger>,
    /// The number of the hold in its ledger.
    number: u64,
    /// The place of its last step.
    position: Position,
    charges: Vec<Charge>,
    /// The hold's shares, or `None` once it has ended.
    shares: Option<Few<Share>>,
    /// The usage reported by the last extension, or `None` if there was none.
    extended: Option<Amounts>,
}

// === impl Hold ===

impl Hold {
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        (number, position): (u64, Position),
        charges: Vec<Charge>,
        shares: Few<Share>,
    ) -> Self {
        Self {
            ledger,
            number,
            position,
            charges,
            shares: Some(shares),
            extended: None,
        }
    }

    /// Returns the charges held.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Returns what the limits of the charges had left when the hold was opened.
    pub fn standings(&self) -> impl Iterator<Item = Standing<'_>> {
        let shares = self.shares.iter().flatten();
        shares.filter_map(|share| share.standing(&self.charges))
    }

    /// Returns the place of the last step, for a caller that waits until the journal has written it.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Raises the reservation to at least these amounts, on all balances or on none. Amounts are the exchange's usage so far;
    /// smaller ones than before change nothing.
    ///
    /// # Errors
    /// [`Refused`], with a copy of the charges, if one with [`crate::OnShortfall::Refuse`] does not fit. The hold is unchanged.
    /// To continue anyway, call [`Hold::overdraw`] and extend again.
    pub fn extend(&mut self, amounts: Amounts) -> Result<(), Refused> {
        if let Some(shares) = &mut self.shares {
            match self.ledger.extend(self.number, shares, amounts) {
                Ok(position) => self.position = position,
                Err(denial) => {
                    return Err(Refused {
                        charges: self.charges.clone(),
                        index: denial.index,
                        reason: denial.reason,
                    });
                }
            }
        }
        self.extended = Some(self.extended.unwrap_or_default().max(amounts));
        Ok(())
    }

    /// Sets the limits of the charges to those that `limit` returns for each, from here on: for extensions, and for what counts as an
    /// overdraft or crosses a mark at the end. What is reserved stays, whether it fits or not.
    pub fn relimit(&mut self, mut limit: impl FnMut(usize, &Charge) -> u64) {
        for (index, charge) in self.charges.iter_mut().enumerate() {
            charge.limit = limit(index, charge);
        }
        for share in self.shares.iter_mut().flatten() {
            share.relimit(&self.charges);
        }
    }

    /// Lets all further extensions pass. Usage beyond a limit is counted as an overdraft.
    pub fn overdraw(&mut self) {
        self.shares.iter_mut().flatten().for_each(Share::overdraw);
    }

    /// Moves the reservations in these units to a new hold of this name, which may outlive the exchange, or returns `None` if
    /// there are no such reservations. Balances do not change.
    #[must_use]
    pub fn split_off(&mut self, units: &[Unit], name: &str) -> Option<Self> {
        let goes = |unit| units.contains(&unit);
        let shares = self.shares.as_mut()?;
        if !shares.iter().any(|share| goes(share.unit())) {
            return None;
        }
        let charges = std::mem::take(&mut self.charges);
        // Shares refer to charges by index, which changes now that the charges are divided.
        let place = |old: usize, gone: bool| {
            let before = charges.iter().take(old);
            before.filter(|charge| goes(charge.unit) == gone).count()
        };
        let (mut taken, mut kept) = (Few::new(), Few::new());
        for mut share in std::mem::take(shares) {
            let gone = goes(share.unit());
            share.renumber(|old| place(old, gone));
            if gone {
                taken.push(share);
            } else {
                kept.push(share);
            }
        }
        *shares = kept;
        let (gone, left) = charges.into_iter().partition(|charge| goes(charge.unit));
        self.charges = left;
        let split = self.ledger.split(self.number, units, name);
        Some(Self::new(Arc::clone(&self.ledger), split, gone, taken))
    }

    /// Ends the hold with the actual usage. If that exceeds a limit, an overdraft is counted. Nothing stays in flight.
    pub fn settle(mut self, amounts: Amounts) -> Settled {
        self.end(amounts, End::Settled)
    }

    /// Ends the hold without any usage.
    pub fn release(mut self) {
        self.end(Amounts::default(), End::Settled);
    }

    fn end(&mut self, amounts: Amounts, end: End) -> Settled {
        match self.shares.take() {
            Some(shares) => self.ledger.settle(self.number, shares, amounts, end),
            None => Settled::default(),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(self.extended.unwrap_or_default(), End::Dropped);
    }
}
