//! Ids in the API's form: a prefix and letters of the base-58 alphabet. They differ from run to run and are not secret.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Step of SplitMix64's Weyl sequence: odd, so that every 64-bit value occurs once.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A source of ids, shared by all connections.
#[derive(Debug)]
pub(super) struct Ids {
    state: AtomicU64,
}

// === impl Ids ===

impl Default for Ids {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(RandomState::new().hash_one(STEP)),
        }
    }
}

impl Ids {
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

    /// Returns a made-up signature for a thinking block: opaque, and of a plausible length.
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

    /// Returns the next output of SplitMix64 over the shared sequence.
    fn next(&self) -> u64 {
        let mut word = self.state.fetch_add(STEP, Ordering::Relaxed);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}
