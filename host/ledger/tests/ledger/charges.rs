//! Shorthands for what tests charge, use and look up.

use std::sync::Arc;

use witgate_ledger::{
    Amounts, Charge, Hold, Ledger, OnShortfall, Statement, Unit, UnixMillis, Window,
};

pub(crate) const NOW: UnixMillis = UnixMillis(1_795_225_386_000);

/// An owner of accounts, for tests in which the owner does not matter.
pub(crate) const OWNER: &str = "acme";

pub(crate) fn charge(account: &str, unit: Unit, limit: u64, amount: u64) -> Charge {
    let (account, window) = (account.into(), Window::Day);
    Charge {
        account,
        window,
        unit,
        limit,
        amount,
        shortfall: OnShortfall::Refuse,
    }
}

pub(crate) fn tokens(account: &str, limit: u64, amount: u64) -> Charge {
    charge(account, Unit::Tokens, limit, amount)
}

pub(crate) fn overdrawn(charge: Charge) -> Charge {
    Charge {
        shortfall: OnShortfall::Overdraw,
        ..charge
    }
}

pub(crate) fn used(tokens: u64) -> Amounts {
    Amounts {
        tokens,
        ..Amounts::default()
    }
}

pub(crate) fn statement(ledger: &Ledger, account: &str) -> Statement {
    let snapshot = ledger.snapshot(NOW);
    snapshot
        .balances
        .into_iter()
        .find(|statement| &*statement.account == account)
        .expect("the account is live")
}

pub(crate) fn hold(ledger: &Arc<Ledger>, charge: Charge) -> Hold {
    ledger.reserve(vec![charge], OWNER, NOW).expect("it fits")
}
