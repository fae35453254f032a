//! Addresses that did not accept a connection lately. Each is avoided for a while, longer with each consecutive
//! failure.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Address, PassedOver};

/// The time for which an address is avoided after its first failure.
const FIRST: Duration = Duration::from_secs(10);

/// The longest time for which an address is avoided.
const LONGEST: Duration = Duration::from_secs(300);

/// The troubles of one upstream's addresses.
#[derive(Default)]
pub(super) struct Troubles {
    by_address: Mutex<HashMap<SocketAddr, Trouble>>,
}

/// The trouble of one address. It is kept beyond its time, so that the next time is longer.
struct Trouble {
    why: String,
    times: u32,
    until: Instant,
}

// === impl Troubles ===

impl Troubles {
    /// Records a failure to connect. Returns whether the address was not avoided before.
    pub(super) fn note(&self, at: SocketAddr, why: &str) -> bool {
        let now = Instant::now();
        let mut by_address = self.by_address.lock();
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

    /// Forgets the trouble of an address. Returns whether there was any.
    pub(super) fn clear(&self, at: SocketAddr) -> bool {
        self.by_address.lock().remove(&at).is_some()
    }

    /// Forgets all addresses but these.
    pub(super) fn keep_only(&self, addresses: &[SocketAddr]) {
        self.by_address
            .lock()
            .retain(|at, _| addresses.contains(at));
    }

    /// Moves avoided addresses behind the others, ordered by the end of their time.
    pub(super) fn put_last(&self, list: &mut [Arc<Address>]) {
        let now = Instant::now();
        let by_address = self.by_address.lock();
        // The sort is stable: addresses without trouble keep their order.
        list.sort_by_key(|address| {
            by_address
                .get(&address.at)
                .map(|trouble| trouble.until)
                .filter(|until| *until > now)
        });
    }

    /// Returns the trouble of an address, or `None` if it is not avoided now.
    pub(super) fn passed_over(&self, at: SocketAddr) -> Option<PassedOver> {
        let now = Instant::now();
        let by_address = self.by_address.lock();
        let trouble = by_address.get(&at).filter(|trouble| trouble.until > now)?;
        Some(PassedOver {
            why: trouble.why.clone(),
            left: trouble.until - now,
        })
    }
}
