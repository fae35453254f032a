//! The balances that an exchange was charged to, on its receipt: with them the ledger can be made again from receipts.

use std::fmt;
use std::sync::Arc;

use witgate_ledger::{Amounts, BalanceKey, Hold, Unit, UnixMillis, Window};

/// The end of a period that never ends, on receipts.
const NEVER: &str = "-";

/// A balance that an exchange was charged to, and its use.
///
/// On receipts it is a text: `3500000 picousd day 1764460800000 user:acme/jane`, with `-` for a period that never ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Charged {
    /// The balance.
    pub(crate) balance: BalanceKey,
    /// The use, in the unit of the balance.
    pub(crate) used: u64,
}

// === impl Charged ===

impl Charged {
    /// Returns what a hold charges to each of its balances if it ends with these amounts. Levels, which nothing is left of, and
    /// balances that are charged nothing are left out.
    pub(crate) fn by(hold: &Hold, amounts: Amounts) -> Vec<Self> {
        let charged = hold.standings().map(|standing| {
            let charge = standing.charge;
            let balance = BalanceKey {
                account: Arc::clone(&charge.account),
                window: charge.window,
                unit: charge.unit,
                resets_at: standing.resets_at,
            };
            Self::new(balance, amounts)
        });
        charged.flatten().collect()
    }

    /// Returns what these amounts are in a balance, or `None` if that is nothing.
    pub(crate) fn new(balance: BalanceKey, amounts: Amounts) -> Option<Self> {
        let used = amounts.of(balance.unit).filter(|used| *used > 0)?;
        Some(Self { balance, used })
    }

    /// Reads it as it is on receipts, or returns `None` if it is something else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut words = text.splitn(5, ' ');
        let mut next = || words.next();
        let used = next()?.parse().ok()?;
        let unit = Unit::parse(next()?).ok()?;
        let window = Window::parse(next()?).ok()?;
        let resets_at = match next()? {
            NEVER => None,
            end => Some(UnixMillis(end.parse().ok()?)),
        };
        let balance = BalanceKey {
            account: next()?.into(),
            window,
            unit,
            resets_at,
        };
        Some(Self { balance, used })
    }
}

impl fmt::Display for Charged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BalanceKey {
            account,
            window,
            unit,
            resets_at,
        } = &self.balance;
        // In pieces, because each receipt has several.
        f.write_str(itoa::Buffer::new().format(self.used))?;
        f.write_str(" ")?;
        f.write_str(unit.code())?;
        f.write_str(" ")?;
        window.fmt(f)?;
        f.write_str(" ")?;
        match resets_at {
            Some(end) => f.write_str(itoa::Buffer::new().format(end.0))?,
            None => f.write_str(NEVER)?,
        }
        f.write_str(" ")?;
        f.write_str(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_reads_back_as_it_was_written_and_nothing_else_does() {
        let charged = |window: &str, resets_at: Option<u64>, account: &str| Charged {
            balance: BalanceKey {
                account: account.into(),
                window: Window::parse(window).expect("a known code"),
                unit: Unit::PicoUsd,
                resets_at: resets_at.map(UnixMillis),
            },
            used: 3_500_000,
        };
        for (charged, text) in [
            (
                charged("day", Some(1_764_460_800_000), "user:acme/jane"),
                "3500000 picousd day 1764460800000 user:acme/jane",
            ),
            (
                charged("total", None, "user:acme/jane doe"),
                "3500000 picousd total - user:acme/jane doe",
            ),
            (
                charged("week@Europe/Berlin", Some(1), "a"),
                "3500000 picousd week@Europe/Berlin 1 a",
            ),
        ] {
            assert_eq!(charged.to_string(), text, "as written");
            assert_eq!(Charged::read(text), Some(charged), "as read: {text}");
        }
        for text in [
            "",
            "1 picousd day 2",
            "-1 picousd day 2 a",
            "1 euro day 2 a",
            "1 picousd fortnight 2 a",
            "1 picousd day soon a",
        ] {
            assert_eq!(Charged::read(text), None, "{text}");
        }
    }
}
