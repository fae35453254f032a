//! What an answer used, as the API reports it.
//!
//! Numbers of a stream are cumulative: those of a later event replace those of an earlier one, and what a later event
//! does not mention stays. Unknown fields are passed over, `null` is the same as absent, and an explicit zero is a
//! zero. Whole numbers may be written with a fraction of zero or an exponent. A member that can't be read is counted and
//! costs only itself.

mod wire;

pub(crate) use wire::Output;

/// Tokens of one kind of work at one model. Input, cache reads and cache writes don't overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// `input_tokens`: prompt tokens that no cache served or stored.
    pub input: u64,
    /// `output_tokens`, thinking included.
    pub output: u64,
    /// `cache_read_input_tokens`.
    pub cache_read: u64,
    /// `cache_creation_input_tokens`: all cache writes.
    pub cache_write: u64,
    /// How the cache writes divide by lifetime, when that was reported.
    pub cache_split: Option<CacheSplit>,
}

/// Cache writes by lifetime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheSplit {
    /// `ephemeral_5m_input_tokens`.
    pub five_minutes: u64,
    /// `ephemeral_1h_input_tokens`.
    pub one_hour: u64,
}

/// One entry of `iterations[]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Iteration {
    /// Its `type`: `message`, `fallback_message`, `advisor_message`, `compaction` or one to come.
    pub kind: String,
    /// The model that did it, when it has its own.
    pub model: Option<String>,
    /// What it used.
    pub tokens: Tokens,
}

/// The `usage` of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The top-level numbers.
    pub tokens: Tokens,
    /// Thinking tokens, a part of the output.
    pub thinking: Option<u64>,
    /// Web searches made on the server.
    pub web_searches: u64,
    /// Web pages fetched on the server.
    pub web_fetches: u64,
    /// `standard`, `priority` or `batch`.
    pub service_tier: Option<String>,
    /// Where it ran, when that was asked for; `us` has its own price.
    pub inference_geo: Option<String>,
    /// `standard` or `fast`.
    pub speed: Option<String>,
    /// The steps of the answer, each perhaps at its own model. Compaction is not in the top-level numbers.
    pub iterations: Vec<Iteration>,
    /// Values that could not be read, because they are of a type or a size that they can't have. The others count.
    pub unread: u64,
}

// === impl Tokens ===

impl Tokens {
    /// The whole prompt: input, cache reads and cache writes.
    pub fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }

    /// Everything: the prompt and the output.
    pub fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }

    /// Cache writes that are kept for an hour, never more than all cache writes.
    pub fn one_hour_writes(&self) -> u64 {
        self.cache_split
            .map_or(0, |split| split.one_hour.min(self.cache_write))
    }

    /// All other cache writes: those for five minutes, and all of them when no division was reported.
    pub fn five_minute_writes(&self) -> u64 {
        self.cache_write - self.one_hour_writes()
    }

    /// The same counts of all kinds, whatever is known of lifetimes.
    pub fn same_counts(&self, other: &Self) -> bool {
        let counts = |tokens: &Self| {
            (
                tokens.input,
                tokens.output,
                tokens.cache_read,
                tokens.cache_write,
            )
        };
        counts(self) == counts(other)
    }

    /// Both together, saturating: no real count comes near the limit.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_split: match (self.cache_split, other.cache_split) {
                (None, None) => None,
                (one, other) => {
                    let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
                    Some(CacheSplit {
                        five_minutes: one.five_minutes.saturating_add(other.five_minutes),
                        one_hour: one.one_hour.saturating_add(other.one_hour),
                    })
                }
            },
        }
    }
}

// === impl Usage ===

impl Usage {
    /// Reads the JSON text of a `usage` object; none when it is no such object.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let mut usage = Self::default();
        usage.overwrite(json).ok()?;
        Some(usage)
    }

    /// Replaces what the JSON text of a `usage` object mentions, and says what it says of the output.
    ///
    /// # Errors
    /// It is no object, or malformed somewhere. What stands before that is taken.
    pub(crate) fn overwrite(&mut self, json: &[u8]) -> Result<Output, Output> {
        wire::overwrite(json, self)
    }
}
