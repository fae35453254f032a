//! Usage in JSON: every member may be absent, and a member of a wrong type affects no other.

use std::borrow::Cow;

use super::{CacheSplit, Iteration, Tokens, Usage};
use crate::json::{Found, Kind, Unreadable, members, put};

/// The output count of a usage object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Output {
    #[default]
    NotSaid,
    Said,
    /// The count is present but cannot be read.
    Unreadable,
}

/// The counts found in an object.
#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    split: Option<CacheSplit>,
    said: Output,
}

/// Replaces the numbers in `usage` that the text of a usage object contains, and counts those that cannot be read.
///
/// # Errors
/// The text is not an object or malformed somewhere. Members before that are applied.
pub(super) fn overwrite(json: &[u8], usage: &mut Usage) -> Result<Output, Output> {
    let mut counts = Counts::default();
    let read = members(json, |name, found| {
        if let Some(unread) = counts.member(name, found) {
            return unread;
        }
        match name {
            "output_tokens_details" => found.object(|name, found| match name {
                "thinking_tokens" => put(&mut usage.thinking, found.count().map(some)),
                _ => 0,
            }),
            "server_tool_use" => found.object(|name, found| match name {
                "web_search_requests" => put(&mut usage.web_searches, found.count()),
                "web_fetch_requests" => put(&mut usage.web_fetches, found.count()),
                _ => 0,
            }),
            "service_tier" => text(&mut usage.service_tier, found),
            "inference_geo" => text(&mut usage.inference_geo, found),
            "speed" => text(&mut usage.speed, found),
            "iterations" => {
                let mut iterations = Vec::new();
                let unread = found.array(|element| iteration(element, &mut iterations));
                // A value that is not an array replaces nothing.
                if matches!(found.kind, Kind::Array(_)) {
                    usage.iterations = iterations;
                }
                unread
            }
            _ => 0,
        }
    });
    let said = counts.said;
    counts.overwrite(&mut usage.tokens);
    let unread = read.unwrap_or_else(|unread| unread + 1);
    usage.unread = usage.unread.saturating_add(unread);
    read.map(|_| said).map_err(|_| said)
}

/// Reads an entry of `iterations[]`. Returns the number of values that could not be read.
fn iteration(json: &[u8], iterations: &mut Vec<Iteration>) -> u64 {
    let mut counts = Counts::default();
    let mut entry = Iteration::default();
    let read = members(json, |name, found| {
        if let Some(unread) = counts.member(name, found) {
            return unread;
        }
        match name {
            "type" => put(&mut entry.kind, owned(found)),
            "model" => text(&mut entry.model, found),
            _ => 0,
        }
    });
    counts.overwrite(&mut entry.tokens);
    match read {
        Ok(unread) => {
            iterations.push(entry);
            unread
        }
        Err(unread) => unread + 1,
    }
}

// === impl Counts ===

impl Counts {
    /// Reads one of the token counts. Returns the number of values that could not be read, or `None` for another member.
    fn member(&mut self, name: &str, found: Found<'_>) -> Option<u64> {
        let place = match name {
            "input_tokens" => &mut self.input,
            "output_tokens" => {
                let told = found.count();
                self.said = match told {
                    Ok(None) => self.said,
                    Ok(Some(_)) => Output::Said,
                    Err(_) => Output::Unreadable,
                };
                return Some(put(&mut self.output, told.map(some)));
            }
            "cache_read_input_tokens" => &mut self.cache_read,
            "cache_creation_input_tokens" => &mut self.cache_write,
            "cache_creation" => {
                let mut split = CacheSplit::default();
                let unread = found.object(|name, found| match name {
                    "ephemeral_5m_input_tokens" => put(&mut split.five_minutes, found.count()),
                    "ephemeral_1h_input_tokens" => put(&mut split.one_hour, found.count()),
                    _ => 0,
                });
                if found.kind == Kind::Object {
                    self.split = Some(split);
                }
                return Some(unread);
            }
            _ => return None,
        };
        Some(put(place, found.count().map(some)))
    }

    fn overwrite(self, tokens: &mut Tokens) {
        replace(&mut tokens.input, self.input);
        replace(&mut tokens.output, self.output);
        replace(&mut tokens.cache_read, self.cache_read);
        replace(&mut tokens.cache_write, self.cache_write);
        let Some(split) = self.split else {
            return;
        };
        tokens.cache_split = Some(split);
        // If lifetimes are reported without a total, the total is their sum.
        if self.cache_write.is_none() {
            tokens.cache_write = split.five_minutes.saturating_add(split.one_hour);
        }
    }
}

fn replace(count: &mut u64, reported: Option<u64>) {
    if let Some(reported) = reported {
        *count = reported;
    }
}

/// Reads a value into an optional field.
fn some<T>(told: Option<T>) -> Option<Option<T>> {
    told.map(Some)
}

fn text(place: &mut Option<String>, found: Found<'_>) -> u64 {
    put(place, owned(found).map(some))
}

fn owned(found: Found<'_>) -> Result<Option<String>, Unreadable> {
    found.string().map(|text| text.map(Cow::into_owned))
}
