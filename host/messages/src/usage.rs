//! The usage of an answer, as the API reports it.
//!
//! Numbers of a stream are cumulative: those of a later event replace earlier ones, and numbers that it omits stay. Unknown
//! fields are ignored, `null` equals absent, and an explicit zero is a zero. Whole numbers may have a zero fraction or an
//! exponent. A member that cannot be read is counted and affects no other.

mod wire;

pub(crate) use wire::Output;

/// Tokens of one kind of work at one model. Input, cache reads and cache writes do not overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// `input_tokens`: prompt tokens neither read from nor written to a cache.
    pub input: u64,
    /// `output_tokens`, thinking included.
    pub output: u64,
    /// `cache_read_input_tokens`.
    pub cache_read: u64,
    /// `cache_creation_input_tokens`: all cache writes.
    pub cache_write: u64,
    /// The cache writes by lifetime, if reported.
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

/// An entry of `iterations[]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Iteration {
    /// The `type`: `message`, `fallback_message`, `advisor_message`, `compaction` or a future one.
    pub kind: String,
    /// The model, if the entry names one.
    pub model: Option<String>,
    /// Tokens of this entry.
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
    /// The region of inference, if it was requested; `us` has its own price.
    pub inference_geo: Option<String>,
    /// `standard` or `fast`.
    pub speed: Option<String>,
    /// The steps of the answer, possibly at different models. Compaction is not in the top-level numbers.
    pub iterations: Vec<Iteration>,
    /// Number of values that could not be read because of a wrong type or size. All others count.
    pub unread: u64,
}

// === impl Tokens ===

impl Tokens {
    /// Returns the whole prompt: input, cache reads and cache writes.
    pub fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }

    /// Returns the total: prompt and output.
    pub fn total(&self) -> u64 {
        self.prompt().saturating_add(self.output)
    }

    /// Returns the cache writes with a lifetime of an hour, at most all cache writes.
    pub fn one_hour_writes(&self) -> u64 {
        self.cache_split
            .map_or(0, |split| split.one_hour.min(self.cache_write))
    }

    /// Returns all other cache writes: those for five minutes, and all of them if no lifetimes were reported.
    pub fn five_minute_writes(&self) -> u64 {
        self.cache_write - self.one_hour_writes()
    }

    /// Returns true if both have the same counts, regardless of lifetimes.
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

    /// Returns the sum, saturating far above any real count.
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
    /// Reads the JSON text of a `usage` object. Returns `None` for anything else.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let mut usage = Self::default();
        usage.overwrite(json).ok()?;
        Some(usage)
    }

    /// Replaces the numbers that the JSON text of a `usage` object contains, and returns its output count.
    ///
    /// # Errors
    /// The text is not an object or malformed somewhere. Members before that are applied.
    pub(crate) fn overwrite(&mut self, json: &[u8]) -> Result<Output, Output> {
        wire::overwrite(json, self)
    }
}
