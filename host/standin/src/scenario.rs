//! The `x-standin` header: what should go wrong, or differ, in this one answer.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::ApiError;

/// The longest wait a header can ask for, so that a slip of the finger doesn't hold a connection for years.
const LONGEST_WAIT_MS: u64 = 3_600_000;
/// The most deltas a header can ask for.
const MOST_DELTAS: usize = 1_000_000;

/// A request's wishes. The default is an ordinary answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<u64>,
    pub(super) delay: Duration,
    pub(super) silence: Duration,
    pub(super) deltas: Option<usize>,
    pub(super) pace: Option<Duration>,
    pub(super) burst: Option<NonZeroUsize>,
    pub(super) error_after: Option<usize>,
    pub(super) cut_after: Option<usize>,
    pub(super) batch: Duration,
}

// === impl Scenario ===

impl Scenario {
    /// Reads the header's value.
    ///
    /// # Errors
    /// A part that is not known or whose number is out of range is a 400 that names it: a misspelt scenario that
    /// passes as an ordinary answer would prove the wrong thing.
    pub(super) fn parse(header: &str) -> Result<Self, ApiError> {
        let mut scenario = Self::default();
        for part in header
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            scenario.apply(part).ok_or_else(|| {
                ApiError::invalid(format!("x-standin: `{part}` is not a part the stand-in knows, or its number is out of range"))
            })?;
        }
        Ok(scenario)
    }

    fn apply(&mut self, part: &str) -> Option<()> {
        let (name, number) = part.split_once('=')?;
        let number: u64 = number.trim().parse().ok()?;
        let count = usize::try_from(number).ok()?;
        match name.trim() {
            "status" => self.status = Some(error_status(number)?),
            "retry-after" => self.retry_after = Some(number),
            "delay-ms" => self.delay = wait(number)?,
            "silent-ms" => self.silence = wait(number)?,
            "pace-ms" => self.pace = Some(wait(number)?),
            "batch-ms" => self.batch = wait(number)?,
            "events" => self.deltas = Some(deltas(count)?),
            "burst" => self.burst = Some(NonZeroUsize::new(count)?),
            "error-after" => self.error_after = Some(count),
            "cut-after" => self.cut_after = Some(count),
            _ => return None,
        }
        Some(())
    }
}

fn wait(milliseconds: u64) -> Option<Duration> {
    (milliseconds <= LONGEST_WAIT_MS).then(|| Duration::from_millis(milliseconds))
}

fn error_status(number: u64) -> Option<u16> {
    u16::try_from(number)
        .ok()
        .filter(|status| (400..600).contains(status))
}

fn deltas(count: usize) -> Option<usize> {
    (count <= MOST_DELTAS).then_some(count)
}
