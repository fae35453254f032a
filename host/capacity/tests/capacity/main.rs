//! Requests are admitted, refused and settled as the terms say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the functions beside the tests are test code too"
)]

mod clock;
mod configuring;
mod large;
mod need;
mod resuming;
mod settling;
mod terms;
mod windows;

use std::sync::Arc;

use witgate_capacity::{
    Amounts, Capacity, Cause, Config, Limit, Percent, Refused, Share, Terms, Unit, Window,
};

/// The start of a day, and so of an hour and a minute.
const START: u64 = 20_786 * 86_400_000;
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

const fn tokens(tokens: u64) -> Amounts {
    Amounts {
        requests: 1,
        input: tokens,
        output: 0,
    }
}

const fn per(window: Window, amount: u64) -> Limit {
    Limit {
        unit: Unit::Tokens,
        window,
        amount,
    }
}

const fn priority(priority: u8) -> Terms {
    Terms {
        priority,
        floor: None,
        ceiling: None,
    }
}

const fn percent(percent: u8) -> Option<Percent> {
    Percent::try_new(percent)
}

fn config(limits: &[Limit], shares: &[(&str, Terms)]) -> Config {
    let shares = shares.iter().map(|(resource, terms)| Share {
        resource: (*resource).into(),
        terms: *terms,
    });
    Config {
        limits: limits.to_vec(),
        shares: shares.collect(),
        others: Terms::default(),
        headroom: None,
    }
}

/// A capacity of 1,000 tokens a minute, shared between these.
fn thousand(shares: &[(&str, Terms)]) -> Arc<Capacity> {
    Capacity::try_new(&config(&[per(Window::Minute, 1_000)], shares))
        .expect("a valid configuration")
}

/// Uses tokens of a resource, as by a request that ends at once.
fn spend(capacity: &Arc<Capacity>, name: &str, amount: u64, now: u64) -> Result<(), Refused> {
    let lease = capacity.admit(capacity.resource(name), tokens(amount), now)?;
    lease.settle(tokens(amount), now);
    Ok(())
}

/// Asks for tokens without using any.
fn ask(capacity: &Arc<Capacity>, name: &str, amount: u64, now: u64) -> Result<(), Refused> {
    capacity
        .admit(capacity.resource(name), tokens(amount), now)
        .map(drop)
}
