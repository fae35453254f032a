//! The prompt cache: written prefixes and their expiry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::prompt::{Boundary, Lifetime, Prompt};

/// Minimum number of tokens of a cached prefix.
const MIN_TOKENS: u64 = 1_024;
/// Maximum number of prefixes. A full cache drops the expired ones, and all of them if that is not enough.
const CAPACITY: usize = 65_536;

/// Written prefixes with the time of their expiry.
#[derive(Debug, Default)]
pub(super) struct PromptCache {
    written: Mutex<HashMap<u64, Instant>>,
}

/// The billing of a prompt's tokens. The four numbers add up to the prompt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct InputTokens {
    pub(super) fresh: u64,
    pub(super) read: u64,
    pub(super) written_5m: u64,
    pub(super) written_1h: u64,
}

// === impl PromptCache ===

impl PromptCache {
    /// Reads the longest cached prefix up to the last mark, and writes the prefixes from there to each mark.
    pub(super) fn charge(&self, prompt: &Prompt, now: Instant) -> InputTokens {
        let marked = |boundary: &Boundary| boundary.mark.is_some() && boundary.tokens >= MIN_TOKENS;
        let Some(last) = prompt.boundaries.iter().rposition(marked) else {
            return InputTokens {
                fresh: prompt.tokens,
                ..InputTokens::default()
            };
        };
        // Nothing that holds this lock can panic halfway through a change.
        let mut written = self.written.lock();
        if written.len() >= CAPACITY {
            written.retain(|_, expires| *expires > now);
        }
        if written.len() >= CAPACITY {
            written.clear();
        }
        let known = |boundary: &&Boundary| {
            written
                .get(&boundary.fingerprint)
                .is_some_and(|expires| *expires > now)
        };
        let prefix = prompt.boundaries.get(..=last).unwrap_or_default();
        let read = prefix
            .iter()
            .rev()
            .find(known)
            .map_or(0, |boundary| boundary.tokens);

        let mut tokens = InputTokens {
            read,
            ..InputTokens::default()
        };
        let mut reached = read;
        for boundary in prefix.iter().filter(|boundary| marked(boundary)) {
            let Some(lifetime) = boundary.mark else {
                continue;
            };
            // Reading a prefix renews its lifetime.
            written.insert(boundary.fingerprint, now + lifetime.duration());
            let added = boundary.tokens.saturating_sub(reached);
            match lifetime {
                Lifetime::FiveMinutes => tokens.written_5m += added,
                Lifetime::OneHour => tokens.written_1h += added,
            }
            reached = reached.max(boundary.tokens);
        }
        tokens.fresh = prompt.tokens.saturating_sub(reached);
        tokens
    }
}

// === impl Lifetime ===

impl Lifetime {
    const fn duration(self) -> Duration {
        match self {
            Self::FiveMinutes => Duration::from_mins(5),
            Self::OneHour => Duration::from_hours(1),
        }
    }
}

// === impl InputTokens ===

impl InputTokens {
    pub(super) const fn written(self) -> u64 {
        self.written_5m + self.written_1h
    }
}
