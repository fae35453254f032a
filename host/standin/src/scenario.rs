//! The `x-standin` header: faults and deviations for one response.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::error::ApiError;

/// Maximum wait that a header can ask for, so that a typo does not hold a connection for years.
const MAX_WAIT_MS: u64 = 3_600_000;
/// Maximum number of deltas that a header can ask for.
const MAX_DELTAS: usize = 1_000_000;

/// A request's scenario. The default is an ordinary response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<u64>,
    pub(super) delay: Duration,
    pub(super) silence: Duration,
    pub(super) deltas: Option<usize>,
    pub(super) pace: Duration,
    /// Number of events in each write; one by default.
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
    ///
    /// Returns a 400 that names the part if it is unknown or its number is out of range: a misspelt scenario that passes as an
    /// ordinary response would prove the wrong thing.
    pub(super) fn parse(header: &str) -> Result<Self, ApiError> {
        let mut scenario = Self::default();
        for part in header
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            scenario.apply(part).ok_or_else(|| {
                ApiError::invalid(format!(
                    "x-standin: unknown part `{part}`, or its number is out of range"
                ))
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
            "pace-ms" => self.pace = wait(number)?,
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
    (milliseconds <= MAX_WAIT_MS).then(|| Duration::from_millis(milliseconds))
}

fn error_status(number: u64) -> Option<u16> {
    u16::try_from(number)
        .ok()
        .filter(|status| (400..600).contains(status))
}

fn deltas(count: usize) -> Option<usize> {
    (count <= MAX_DELTAS).then_some(count)
}
