//! The state of a pool's credentials for operators. Names and figures, never a secret.

use std::time::{Duration, Instant};

use super::book::Terms;
use super::lane::Lane;
use super::reading::{KIND_NAMES, WINDOW_NAMES};
use super::standing::{Shut, Standing};

/// The state of one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialStatus {
    /// Name.
    pub name: String,
    /// State, of the model that is worst off.
    pub state: CredentialState,
    /// Time until that changes, if it is known.
    pub left: Option<Duration>,
    /// Thousandths that are left of the limit with the least, requests under way subtracted.
    pub left_permille: u32,
    /// Requests that were sent and not answered.
    pub unanswered: u32,
    /// Sessions that have it.
    pub sessions: usize,
    /// Requests so far.
    pub requests: u64,
    /// 429s among their answers.
    pub limited: u64,
    /// Sessions that left for another credential.
    pub moved: u64,
    /// Limits by model and kind.
    pub limits: Vec<LimitStatus>,
    /// Windows of the account.
    pub windows: Vec<WindowStatus>,
}

/// The state of a credential in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialState {
    /// It takes every request.
    Available,
    /// It takes no new sessions.
    Low,
    /// It takes no requests, because less than its hard threshold is left.
    Exhausted,
    /// It takes no requests until the time that a 429 gave, or for a pause.
    Cooling,
    /// The upstream refused it with this status.
    Refused(u16),
}

/// The state of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitStatus {
    /// Model, or empty for requests without one.
    pub model: String,
    /// Kind.
    pub kind: &'static str,
    /// Limit.
    pub limit: u64,
    /// Amount left.
    pub left: u64,
}

/// The state of a window of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowStatus {
    /// Name.
    pub name: &'static str,
    /// Thousandths that are used.
    pub used_permille: u32,
    /// Time until its end.
    pub ends_in: Duration,
}

// === impl CredentialStatus ===

impl CredentialStatus {
    pub(super) fn of(terms: &Terms, standing: &Standing, sessions: usize, now: Instant) -> Self {
        let models = standing.lanes().iter().map(|lane| &*lane.model);
        // The first is for a credential without lanes, which may be refused all the same.
        let models = || std::iter::once("").chain(models.clone());
        let left_permille = models().map(|model| standing.left(model, now)).min();
        let left_permille = left_permille.unwrap_or(1000);
        let shut = models()
            .filter_map(|model| standing.shut(model, terms.hard, now))
            .max_by_key(|(_, left)| left.unwrap_or(Duration::MAX));
        let state = match shut {
            Some((Shut::Refused(status), _)) => CredentialState::Refused(status),
            Some((Shut::Cooling, _)) => CredentialState::Cooling,
            Some((Shut::Exhausted, _)) => CredentialState::Exhausted,
            None if left_permille < terms.soft => CredentialState::Low,
            None => CredentialState::Available,
        };
        let windows = standing.windows(now);
        Self {
            name: terms.name.clone(),
            state,
            left: shut.and_then(|(_, left)| left),
            left_permille,
            unanswered: standing.unanswered(),
            sessions,
            requests: standing.requests,
            limited: standing.limited,
            moved: standing.moved,
            limits: standing
                .lanes()
                .iter()
                .flat_map(|lane| limits(lane, now))
                .collect(),
            windows: windows
                .filter_map(|(index, window, ends_in)| {
                    Some(WindowStatus {
                        name: WINDOW_NAMES.get(index)?,
                        used_permille: window.used,
                        ends_in,
                    })
                })
                .collect(),
        }
    }
}

fn limits(lane: &Lane, now: Instant) -> impl Iterator<Item = LimitStatus> {
    let levels = KIND_NAMES.iter().zip(&lane.levels);
    levels.filter_map(move |(kind, level)| {
        let level = level.as_ref()?;
        Some(LimitStatus {
            model: lane.model.to_string(),
            kind,
            limit: level.limit(),
            left: level.left(now),
        })
    })
}

// === impl CredentialState ===

impl CredentialState {
    /// Returns the name for operators.
    pub fn code(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Low => "low",
            Self::Exhausted => "exhausted",
            Self::Cooling => "cooling",
            Self::Refused(_) => "refused",
        }
    }
}
