//! Experience with requests that have ended, which says how much a later one is likely to use.
//!
//! For each account and model, and for each model over all accounts, two distributions are kept: the length of answers, and the
//! share of the prompt's full price that was paid, which caches lower. An expectation is the 90th percentile of each
//! ([`PERCENTILE`]), rounded up by at most a quarter. An account with fewer than [`ENOUGH`] answers of a model is expected to do as all
//! accounts do, once there are [`ENOUGH_OF_ALL`] answers; until then there is no expectation, and requests reserve what they declare, up
//! to 4,096 tokens.
//!
//! Bounds: [`SETS`] times [`WAYS`] distributions, about 1.5 MB; the one that was used least recently gives way, so an account that is
//! forgotten only starts anew. Old answers count less and less. All of it is in memory: a restart begins without experience,
//! which changes the size of holds and nothing that is settled.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use parking_lot::Mutex;

/// The percentile that is expected.
const PERCENTILE: u32 = 90;

/// The least number of answers that an account's own expectation is based on.
const ENOUGH: u32 = 4;

/// The least number of answers that the expectation of all accounts is based on.
const ENOUGH_OF_ALL: u32 = 32;

/// Number of answers after which the weight of each is halved.
const FULL: u32 = 200;

const SETS: usize = 2048;
const WAYS: usize = 4;

/// Number of buckets of a distribution, which reach to two million.
const BUCKETS: usize = 80;

/// The price of a prompt that was sent at its full price, in thousandths of it.
const WHOLE: u64 = 1000;

/// Experience with accounts and models.
#[derive(Debug)]
pub(crate) struct Experience {
    sets: Mutex<Sets>,
    hasher: RandomState,
}

/// A model whose requests are alike. Numbers stand for names, so that nothing is copied for a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kind(u64);

/// The use of an answer that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) output_tokens: u64,
    /// The price of the prompt as it was paid, and in full, in the same unit.
    pub(crate) prompt: (u64, u64),
}

/// The use that is expected of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) output_tokens: u64,
    /// The share of the prompt's full price, in thousandths.
    pub(crate) prompt_share: u64,
}

#[derive(Debug, Default)]
struct Sets {
    /// Sets by hash, allocated when they are first used.
    sets: Vec<Option<Box<[Learned; WAYS]>>>,
    /// Number of uses so far.
    clock: u64,
}

/// What was learned about one account and model.
#[derive(Debug, Default)]
struct Learned {
    /// The hash of both, or 0 for nothing.
    key: u64,
    used: u64,
    outputs: Distribution,
    prompts: Distribution,
}

/// Counts of values in buckets that are a quarter of an octave wide.
#[derive(Debug)]
struct Distribution {
    counts: [u8; BUCKETS],
    total: u32,
}

// === impl Experience ===

impl Experience {
    pub(crate) fn new() -> Self {
        Self {
            sets: Mutex::default(),
            hasher: RandomState::default(),
        }
    }

    /// Returns the kind of the requests for a model.
    pub(crate) fn kind(&self, model: &str) -> Kind {
        Kind(self.hasher.hash_one(model))
    }

    /// Returns what a request of an account is expected to use, or `None` without enough experience.
    pub(crate) fn expected(&self, account: &str, kind: Kind) -> Option<Expected> {
        let mut sets = self.sets.lock();
        let own = sets.expected(self.key(account, kind), ENOUGH);
        own.or_else(|| sets.expected(self.key("", kind), ENOUGH_OF_ALL))
    }

    /// Learns from an answer that was charged to these accounts.
    pub(crate) fn learn<'a>(
        &self,
        accounts: impl Iterator<Item = &'a str>,
        kind: Kind,
        seen: &Seen,
    ) {
        let mut sets = self.sets.lock();
        for account in accounts.chain([""]) {
            sets.learn(self.key(account, kind), seen);
        }
    }

    fn key(&self, account: &str, kind: Kind) -> u64 {
        self.hasher.hash_one((account, kind.0)).max(1)
    }
}

// === impl Sets ===

impl Sets {
    fn expected(&mut self, key: u64, enough: u32) -> Option<Expected> {
        self.clock += 1;
        let clock = self.clock;
        let set = self.sets.get_mut(place(key))?.as_mut()?;
        let learned = set.iter_mut().find(|learned| learned.key == key)?;
        learned.used = clock;
        let outputs = &learned.outputs;
        (outputs.total >= enough).then(|| Expected {
            output_tokens: outputs.percentile(),
            prompt_share: learned.prompts.percentile(),
        })
    }

    fn learn(&mut self, key: u64, seen: &Seen) {
        self.clock += 1;
        let clock = self.clock;
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, || None);
        }
        let Some(set) = self.sets.get_mut(place(key)) else {
            return;
        };
        let set = set.get_or_insert_default();
        let rank = |learned: &&mut Learned| (learned.key != key, learned.used);
        let Some(learned) = set.iter_mut().min_by_key(rank) else {
            return;
        };
        if learned.key != key {
            *learned = Learned {
                key,
                ..Learned::default()
            };
        }
        learned.used = clock;
        learned.outputs.add(seen.output_tokens);
        let (paid, full) = seen.prompt;
        let share = u128::from(paid) * u128::from(WHOLE) / u128::from(full.max(1));
        let share = if full == 0 {
            WHOLE
        } else {
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        learned.prompts.add(share);
    }
}

/// Returns the set of a key.
fn place(key: u64) -> usize {
    usize::try_from(key % SETS as u64).unwrap_or(0)
}

// === impl Distribution ===

impl Default for Distribution {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            total: 0,
        }
    }
}

impl Distribution {
    fn add(&mut self, value: u64) {
        if self.total >= FULL {
            self.total = 0;
            for count in &mut self.counts {
                *count /= 2;
                self.total += u32::from(*count);
            }
        }
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            // No bucket has more than all together, which are fewer than 256.
            *count = count.saturating_add(1);
            self.total += 1;
        }
    }

    /// Returns the end of the bucket that the percentile lies in.
    fn percentile(&self) -> u64 {
        let wanted = (self.total * PERCENTILE).div_ceil(100);
        let mut sum = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            sum += u32::from(*count);
            if sum >= wanted && sum > 0 {
                return end(bucket);
            }
        }
        0
    }
}

/// Returns the bucket of a value.
fn bucket(value: u64) -> usize {
    let octave = value.checked_ilog2().unwrap_or(0);
    let bucket = match octave {
        0 | 1 => value,
        _ => 4 * u64::from(octave - 1) + ((value >> (octave - 2)) & 3),
    };
    usize::try_from(bucket).map_or(BUCKETS - 1, |bucket| bucket.min(BUCKETS - 1))
}

/// Returns the largest value of a bucket.
fn end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 4 {
        return bucket;
    }
    let (octave, quarter) = (bucket / 4 + 1, bucket % 4);
    ((4 + quarter + 1) << (octave - 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(lengths: &[u64]) -> Experience {
        let experience = Experience::new();
        let kind = experience.kind("m");
        for length in lengths {
            let seen = Seen {
                output_tokens: *length,
                prompt: (100, 1000),
            };
            experience.learn(["a"].into_iter(), kind, &seen);
        }
        experience
    }

    fn expected(experience: &Experience, account: &str) -> Option<u64> {
        let expected = experience.expected(account, experience.kind("m"));
        expected.map(|expected| expected.output_tokens)
    }

    #[test]
    fn every_value_lies_in_its_bucket_and_no_bucket_is_wider_than_a_quarter() {
        let mut last = 0;
        for value in (0..5000).chain((13..21).map(|octave| (1 << octave) + 7)) {
            let (bucket, most) = (bucket(value), end(bucket(value)));
            assert!(bucket >= last, "{value} is not below the one before");
            assert!(value <= most, "{value} is at most {most}");
            assert!(most - value <= value / 4, "{value} and {most} are close");
            last = bucket;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1, "the last one takes the rest");
    }

    #[test]
    fn nothing_is_expected_before_there_are_enough_answers() {
        assert_eq!(expected(&learned(&[50; 3]), "a"), None, "three are too few");
        assert_eq!(expected(&learned(&[50; 4]), "a"), Some(55), "four do");
        assert_eq!(
            expected(&learned(&[50; 4]), "b"),
            None,
            "they are not another's"
        );
        assert_eq!(
            expected(&learned(&[50; 32]), "b"),
            Some(55),
            "but many are a beginning for all"
        );
    }

    #[test]
    fn nine_of_ten_answers_are_not_longer_than_expected() {
        let mut lengths = vec![100; 90];
        lengths.extend([8000; 10]);
        assert_eq!(
            expected(&learned(&lengths), "a"),
            Some(111),
            "rare ones are extended"
        );
        lengths.extend([8000; 5]);
        assert_eq!(
            expected(&learned(&lengths), "a"),
            Some(8191),
            "until they are not rare"
        );
    }

    #[test]
    fn old_answers_are_forgotten() {
        let mut lengths = vec![8000; 1000];
        lengths.extend([50; 900]);
        assert_eq!(
            expected(&learned(&lengths), "a"),
            Some(55),
            "the newer ones count"
        );
    }

    #[test]
    fn the_share_of_the_prompt_that_caches_leave_is_learned() {
        let experience = learned(&[50; 10]);
        let expected = experience
            .expected("a", experience.kind("m"))
            .expect("enough");
        assert_eq!(
            expected.prompt_share, 111,
            "a tenth, rounded up to its bucket"
        );
    }

    #[test]
    fn accounts_that_callers_invent_take_no_more_memory() {
        let experience = Experience::new();
        let kind = experience.kind("m");
        for account in 0..100_000_u32 {
            let seen = Seen {
                output_tokens: 5,
                prompt: (0, 0),
            };
            experience.learn([&*account.to_string()].into_iter(), kind, &seen);
        }
        let sets = experience.sets.lock();
        assert_eq!(sets.sets.len(), SETS, "the table does not grow");
        let bytes = SETS * size_of::<[Learned; WAYS]>();
        assert!(bytes < 2 << 20, "and has {bytes} bytes at most");
    }
}
