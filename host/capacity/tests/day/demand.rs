//! The demand of the important tenant, minute by minute.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Requests that people make in each minute, on the average.
pub(crate) struct Demand {
    per_minute: Vec<u64>,
    spread: Spread,
}

/// The way in which the requests of a minute come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// At random, and in a random number.
    Random,
    /// In turn, at equal distances.
    Even,
}

impl Demand {
    /// A working day: a quiet night, a rise in the morning, a pause at noon, an evening; and bursts, in which everybody asks
    /// twice as much for a few minutes.
    pub(crate) fn of_a_day(seed: u64) -> Self {
        let by_hour = [
            2, 1, 1, 1, 1, 2, 4, 10, 24, 36, 40, 36, 26, 36, 40, 38, 32, 26, 18, 14, 12, 8, 5, 3,
        ];
        let mut per_minute: Vec<u64> = (0..24 * 60)
            .map(|minute| {
                let (hour, within) = (minute / 60, minute as u64 % 60);
                let (here, next) = (by_hour[hour], by_hour[(hour + 1) % 24]);
                (here * (60 - within) + next * within) / 60
            })
            .collect();
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..8 {
            let begin = rng.gen_range(8 * 60..20 * 60);
            for minute in per_minute.iter_mut().skip(begin).take(rng.gen_range(2..6)) {
                *minute = (*minute * 2).min(75);
            }
        }
        Self {
            per_minute,
            spread: Spread::Random,
        }
    }

    pub(crate) fn steady(requests: u64) -> Self {
        Self {
            per_minute: vec![requests; 24 * 60],
            spread: Spread::Even,
        }
    }

    /// Requests for so many minutes, and none after them.
    pub(crate) fn until(minute: usize) -> Self {
        Self {
            per_minute: vec![30; minute],
            spread: Spread::Random,
        }
    }

    /// Returns the moments within a minute at which people ask, in milliseconds.
    pub(crate) fn moments(&self, minute: usize, rng: &mut StdRng) -> Vec<u64> {
        let requests = self.per_minute.get(minute).copied().unwrap_or(0);
        match self.spread {
            Spread::Even => (0..requests).map(|nth| nth * 60_000 / requests).collect(),
            // Each of twice as many possible requests comes with a probability of a half.
            Spread::Random => {
                let come = (0..2 * requests).filter(|_| rng.gen_ratio(1, 2)).count();
                (0..come).map(|_| rng.gen_range(0..60_000)).collect()
            }
        }
    }
}
