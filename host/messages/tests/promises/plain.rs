//! A straightforward reader of answers, to compare the meter with: the whole text at once, each event parsed in full
//! into a tree, and no code of the crate. It follows the protocol's own words: numbers of a later event replace those of
//! an earlier one, null is absent, unknown members and events mean nothing.

use serde_json::{Map, Value};
use witgate_messages::{CacheSplit, Iteration, Reading, Source, Tokens};

/// The facts in the complete events of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plain {
    /// The members of all usages, the latest of each.
    pub(crate) usage: Map<String, Value>,
    pub(crate) model: Option<String>,
    pub(crate) stop_reason: Option<String>,
    pub(crate) events: u64,
    pub(crate) started: bool,
    pub(crate) content: bool,
    pub(crate) ended: bool,
    pub(crate) error: Option<(String, String)>,
    /// The last count of a `message_delta`; that of `message_start` is a placeholder.
    pub(crate) counted: Option<u64>,
    /// Deltas since that count.
    pub(crate) uncounted: Delivered,
}

/// Bytes of deltas: of the texts in them at least, of their whole data at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) at_least: u64,
    pub(crate) at_most: u64,
}

/// Reads all events of a stream that are complete.
pub(crate) fn stream(bytes: &[u8]) -> Plain {
    let mut plain = Plain::default();
    // What is cut within a character is cut within an event, which is left out.
    let text = String::from_utf8_lossy(bytes);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some(end) = text.rfind("\n\n") else {
        return plain;
    };
    for event in text[..end].split("\n\n") {
        let field = |wanted: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix(wanted));
            lines.map(str::to_owned).next_back()
        };
        let Some(data) = field("data: ") else {
            continue;
        };
        plain.events += 1;
        let value: Value = serde_json::from_str(&data).expect("recorded events are JSON");
        let kind = field("event: ").or(value["type"].as_str().map(str::to_owned));
        plain.event(&kind.unwrap_or_default(), &value, data.len());
    }
    plain
}

/// Reads a JSON answer; none while it is not whole.
pub(crate) fn answer(bytes: &[u8]) -> Option<Plain> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let mut plain = Plain {
        ended: true,
        content: value["content"]
            .as_array()
            .is_some_and(|list| !list.is_empty()),
        model: text(&value["model"]),
        stop_reason: text(&value["stop_reason"]),
        error: error(&value),
        ..Plain::default()
    };
    plain.replace(&value["usage"]);
    plain.counted = value["usage"]["output_tokens"].as_u64();
    Some(plain)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn error(value: &Value) -> Option<(String, String)> {
    let error = value.get("error")?;
    Some((text(&error["type"])?, text(&error["message"])?))
}

// === impl Plain ===

impl Plain {
    fn event(&mut self, kind: &str, value: &Value, data: usize) {
        self.content |= kind.starts_with("content_block_");
        match kind {
            "message_start" => {
                self.started = true;
                self.model = text(&value["message"]["model"]);
                self.replace(&value["message"]["usage"]);
            }
            "content_block_delta" => {
                let delta = value["delta"].as_object().expect("a delta");
                let texts = delta.iter().filter(|(name, _)| *name != "type");
                let texts = texts.filter_map(|(_, value)| value.as_str());
                self.uncounted.at_least += texts.map(|text| text.len() as u64).sum::<u64>();
                self.uncounted.at_most += data as u64;
            }
            "message_delta" => {
                self.stop_reason = text(&value["delta"]["stop_reason"]).or(self.stop_reason.take());
                self.replace(&value["usage"]);
                if let Some(count) = value["usage"]["output_tokens"].as_u64() {
                    self.counted = Some(count);
                    self.uncounted = Delivered::default();
                }
            }
            "message_stop" => self.ended = true,
            "error" => self.error = error(value),
            _ => {}
        }
    }

    fn replace(&mut self, usage: &Value) {
        for (name, value) in usage.as_object().into_iter().flatten() {
            if !value.is_null() {
                self.usage.insert(name.clone(), value.clone());
            }
        }
    }

    /// The origin of numbers by the protocol: what the upstream said, what it said before it was cut, or what was
    /// delivered.
    pub(crate) fn source(&self) -> Source {
        match self.counted {
            Some(_) if self.ended => Source::Reported,
            Some(_) if self.uncounted.at_least == 0 => Source::Partial,
            None if !self.started && self.uncounted == Delivered::default() => Source::None,
            _ => Source::Estimated,
        }
    }

    /// The fewest and the most output tokens that may be told: one number where the upstream gave it, else a token for
    /// every four bytes.
    pub(crate) fn output(&self) -> (u64, u64) {
        let counted = self.counted.unwrap_or(0);
        if self.source() == Source::Reported {
            return (counted, counted);
        }
        let Delivered { at_least, at_most } = self.uncounted;
        (
            counted + at_least.div_ceil(4),
            counted + at_most.div_ceil(4),
        )
    }

    /// Asserts that a reading says this and nothing else.
    pub(crate) fn assert_is(&self, reading: &Reading, wherever: &str) {
        let (fewest, most) = self.output();
        let output = reading.usage.tokens.output;
        assert!(
            (fewest..=most).contains(&output),
            "{wherever}: {output} output tokens, not {fewest} to {most}"
        );
        let mut wanted = tokens(&self.usage);
        wanted.output = output;
        assert_eq!(reading.usage.tokens, wanted, "{wherever}: the tokens");
        let top = |name: &str| self.usage.get(name).cloned().unwrap_or_default();
        let said = &reading.usage;
        let thinking = top("output_tokens_details")["thinking_tokens"].as_u64();
        assert_eq!(said.thinking, thinking, "{wherever}: thinking");
        let tools = top("server_tool_use");
        assert_eq!(
            (said.web_searches, said.web_fetches),
            (
                number(&tools, "web_search_requests"),
                number(&tools, "web_fetch_requests")
            ),
            "{wherever}: server tools"
        );
        assert_eq!(
            [&said.service_tier, &said.inference_geo, &said.speed],
            [
                &text(&top("service_tier")),
                &text(&top("inference_geo")),
                &text(&top("speed"))
            ],
            "{wherever}: tier, geography and speed"
        );
        let iterations = top("iterations");
        let iterations: Vec<_> = iterations
            .as_array()
            .into_iter()
            .flatten()
            .map(iteration)
            .collect();
        assert_eq!(said.iterations, iterations, "{wherever}: the iterations");
        assert_eq!(reading.source, self.source(), "{wherever}: the source");
        assert_eq!(
            (&reading.model, &reading.stop_reason),
            (&self.model, &self.stop_reason),
            "{wherever}: model and stop reason"
        );
        assert_eq!(
            (reading.events, reading.content_started, reading.ended),
            (self.events, self.content, self.ended),
            "{wherever}: how far it came"
        );
        let error = reading.error.as_ref();
        let error = error.map(|error| (error.kind.to_string(), error.message.clone()));
        assert_eq!(error, self.error, "{wherever}: the error");
        assert_eq!(
            reading.passed_over, 0,
            "{wherever}: every event could be read"
        );
    }
}

/// A count; none is zero.
pub(crate) fn number(object: &Value, name: &str) -> u64 {
    object[name].as_u64().unwrap_or(0)
}

fn tokens(usage: &Map<String, Value>) -> Tokens {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
    Tokens {
        input: count("input_tokens"),
        output: count("output_tokens"),
        cache_read: count("cache_read_input_tokens"),
        cache_write: count("cache_creation_input_tokens"),
        cache_split: usage.get("cache_creation").map(|split| CacheSplit {
            five_minutes: number(split, "ephemeral_5m_input_tokens"),
            one_hour: number(split, "ephemeral_1h_input_tokens"),
        }),
    }
}

fn iteration(entry: &Value) -> Iteration {
    Iteration {
        kind: text(&entry["type"]).unwrap_or_default(),
        model: text(&entry["model"]),
        tokens: tokens(entry.as_object().expect("an entry")),
    }
}
