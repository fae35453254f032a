//! Ids of the API's form: a prefix and letters of the base-58 alphabet. Unlike from run to run, never secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The step of a Weyl sequence, as SplitMix64 uses it: odd, so that every 64-bit value comes once.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of ids, shared by all connections.
#[derive(Debug)]
pub(super) struct Ids {
    state: AtomicU64,
}

// === impl Ids ===

impl Ids {
    pub(super) fn seeded() -> Self {
        Self {
            state: AtomicU64::new(RandomState::new().hash_one(STEP)),
        }
    }

    pub(super) fn message(&self) -> String {
        self.id("msg_01", 22)
    }

    pub(super) fn batch(&self) -> String {
        self.id("msgbatch_01", 22)
    }

    pub(super) fn request(&self) -> String {
        self.id("req_011", 21)
    }

    pub(super) fn tool_use(&self) -> String {
        self.id("toolu_01", 22)
    }

    /// What stands where a real signature of a thinking block would: opaque, and of a plausible length.
    pub(super) fn signature(&self) -> String {
        self.id("EqQB", 120)
    }

    fn id(&self, prefix: &str, letters: usize) -> String {
        let mut id = String::with_capacity(prefix.len() + letters);
        id.push_str(prefix);
        let mut word = 0;
        for place in 0..letters {
            // Ten letters of base 58 fit in 64 bits.
            if place % 10 == 0 {
                word = self.next();
            }
            let letter = usize::try_from(word % 58)
                .ok()
                .and_then(|index| ALPHABET.get(index));
            id.push(char::from(letter.copied().unwrap_or(b'1')));
            word /= 58;
        }
        id
    }

    /// SplitMix64's output function over the shared sequence.
    fn next(&self) -> u64 {
        let mut word = self.state.fetch_add(STEP, Ordering::Relaxed);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}
