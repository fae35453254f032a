//! What a request has reserved, until it ends.

use crate::books::{End, Few, Share};
use crate::charge::{Charge, Refused};
use crate::statement::Settlement;
use crate::{Amounts, Ledger, Unit};
use std::sync::Arc;

/// An amount reserved on accounts. It ends exactly once: settled, released or dropped.
///
/// It settles into the periods that it was reserved in, even where those are over. Dropped, it settles at the amounts
/// of its last extension; where there was none, it is released.
#[derive(Debug)]
#[must_use = "a hold that is dropped at once reserves nothing"]
pub struct Hold {
    ledger: Arc<Ledger>,
    charges: Vec<Charge>,
    /// None once the hold has ended.
    shares: Option<Few<Share>>,
    /// What the extensions said that was used so far; none where there was none.
    extended: Option<Amounts>,
}

// === impl Hold ===

impl Hold {
    pub(crate) fn new(ledger: Arc<Ledger>, charges: Vec<Charge>, shares: Few<Share>) -> Self {
        Self {
            ledger,
            charges,
            shares: Some(shares),
            extended: None,
        }
    }

    /// The charges that are held.
    #[must_use]
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// Raises what is held to at least these amounts, on all balances or on none. Amounts are what the exchange has
    /// used so far; smaller ones than before change nothing.
    ///
    /// # Errors
    /// [`Refused`], with a copy of the charges, where one with [`crate::OnShortfall::Refuse`] does not fit. The hold
    /// stays as it was. To go on all the same, call [`Hold::overdraw`] and extend again.
    pub fn extend(&mut self, amounts: Amounts) -> Result<(), Refused> {
        if let Some(shares) = &mut self.shares
            && let Err(denial) = self.ledger.extend(shares, amounts)
        {
            return Err(Refused {
                charges: self.charges.clone(),
                index: denial.index,
                reason: denial.reason,
            });
        }
        self.extended = Some(self.extended.unwrap_or_default().max(amounts));
        Ok(())
    }

    /// From here on nothing refuses an extension: what passes a limit is counted as an overdraft.
    pub fn overdraw(&mut self) {
        self.shares.iter_mut().flatten().for_each(Share::overdraw);
    }

    /// Takes what is held in these units out into a hold of its own, for what outlives the exchange; this one keeps the
    /// rest. None where nothing is held in them. Balances stay as they are.
    #[must_use]
    pub fn split_off(&mut self, units: &[Unit]) -> Option<Self> {
        let goes = |unit| units.contains(&unit);
        let shares = self.shares.as_mut()?;
        if !shares.iter().any(|share| goes(share.unit())) {
            return None;
        }
        let charges = std::mem::take(&mut self.charges);
        // A share knows its charge by its place, which is among its own kind from now on.
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
        self.ledger.split();
        Some(Self::new(Arc::clone(&self.ledger), gone, taken))
    }

    /// Ends the hold with what was really used, which may be more than was held and pass a limit: that is counted as
    /// an overdraft. Nothing stays in flight.
    pub fn settle(mut self, amounts: Amounts) -> Settlement {
        self.end(amounts, End::Told)
    }

    /// Ends the hold with nothing used.
    pub fn release(mut self) {
        self.end(Amounts::default(), End::Told);
    }

    fn end(&mut self, amounts: Amounts, end: End) -> Settlement {
        match self.shares.take() {
            Some(shares) => self.ledger.settle(shares, amounts, end),
            None => Settlement::default(),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end(self.extended.unwrap_or_default(), End::Abandoned);
    }
}
