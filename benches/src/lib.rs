//! Benches, each with its baseline beside it; here is what they share to measure both in turns.
//!
//! A machine's speed may change by half within seconds, so that two things measured one after the other differ by that.
//! In short turns both see the same machine.

pub mod answers;
pub mod chart;
pub mod symbols;
pub mod table;

/// Returns true if benches are to be measured, as `cargo bench` asks, and not only tried.
pub fn is_measured() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

/// Measures all lanes in turns, so many rounds; each round begins with the next lane. Gives a row for each round, with
/// the lanes in their order.
pub fn in_turns(
    lanes: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> i64,
) -> Vec<Vec<i64>> {
    let round = |round: usize| {
        let mut row: Vec<_> = (0..lanes)
            .map(|place| (place + round) % lanes)
            .map(|lane| (lane, measure(lane)))
            .collect();
        row.sort_unstable();
        row.into_iter().map(|(_, measured)| measured).collect()
    };
    (0..rounds).map(round).collect()
}

/// The middle one of the values, the upper of two; 0 of none.
pub fn median(values: impl Iterator<Item = i64>) -> i64 {
    let mut sorted: Vec<_> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
