//! Addresses that took no connection lately. Each is passed over for a while, longer with each time in a row.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::{Address, PassedOver};

/// How long an address is passed over at first.
const FIRST: Duration = Duration::from_secs(10);

/// How long it is passed over at most.
const LONGEST: Duration = Duration::from_secs(300);

/// The troubles of one upstream's addresses.
#[derive(Default)]
pub(super) struct Troubles {
    by_address: Mutex<HashMap<SocketAddr, Trouble>>,
}

/// What is wrong with one address. It is kept past its time, so that the next time is a longer one.
struct Trouble {
    why: String,
    times: u32,
    until: Instant,
}

// === impl Troubles ===

impl Troubles {
    /// Notes that an address took no connection. Tells whether that is news.
    pub(super) fn note(&self, at: SocketAddr, why: &str) -> bool {
        let now = Instant::now();
        let mut by_address = self.lock();
        let trouble = by_address.entry(at).or_insert_with(|| Trouble {
            why: String::new(),
            times: 0,
            until: now,
        });
        why.clone_into(&mut trouble.why);
        let news = trouble.times == 0;
        // Connections that failed together count once.
        if news || trouble.until <= now {
            let factor = 1_u32.checked_shl(trouble.times).unwrap_or(u32::MAX);
            trouble.until = now + FIRST.saturating_mul(factor).min(LONGEST);
            trouble.times = trouble.times.saturating_add(1);
        }
        news
    }

    /// Forgets the trouble of an address. Tells whether there was any.
    pub(super) fn clear(&self, at: SocketAddr) -> bool {
        self.lock().remove(&at).is_some()
    }

    /// Forgets all addresses but these.
    pub(super) fn keep_only(&self, addresses: &[SocketAddr]) {
        self.lock().retain(|at, _| addresses.contains(at));
    }

    /// Puts addresses that are passed over behind the others, the one whose time is over first before the rest.
    pub(super) fn put_last(&self, list: &mut [Arc<Address>]) {
        let now = Instant::now();
        let by_address = self.lock();
        // The sort is stable: what is well stays in its order.
        list.sort_by_key(|address| {
            by_address
                .get(&address.at)
                .map(|trouble| trouble.until)
                .filter(|until| *until > now)
        });
    }

    /// Returns what is wrong with an address; none for one that is not passed over now.
    pub(super) fn passed_over(&self, at: SocketAddr) -> Option<PassedOver> {
        let now = Instant::now();
        let by_address = self.lock();
        let trouble = by_address.get(&at).filter(|trouble| trouble.until > now)?;
        Some(PassedOver {
            why: trouble.why.clone(),
            left: trouble.until - now,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Trouble>> {
        self.by_address.lock()
    }
}
