//! The fields of a receipt, in order.
//!
//! Operators build on the names of the fields, which the manual lists. A field that is not known is absent, so that zero
//! always means zero.

use witgate_messages::meter::Source;
use witgate_messages::price::Pricing;
use witgate_runtime::{self as contract, Lineup, Value};

use super::fields::{Fields, MAX_ENTRIES};
use super::{Outcome, Receipt};
use crate::answer::refused::Blame;
use crate::clock::WholeUnits;
use crate::receipts::batch_note::BatchNote;
use crate::text::address;

// === impl Receipt ===

impl Receipt {
    /// Returns the fields of the receipt. Foreign text is cut, so that no receipt is large.
    pub(crate) fn fields(&self, lineup: &Lineup) -> contract::Receipt {
        let mut fields = Fields::new();
        fields.own("id", &self.id);
        fields.number("started_unix_ms", self.started_unix_ms);
        fields.own("endpoint", self.request.endpoint);
        fields.text("method", &self.request.method);
        fields.own(
            "outcome",
            self.response.outcome.unwrap_or(Outcome::Abandoned).code(),
        );
        fields.maybe_number("status", self.response.status.map(u64::from));
        fields.maybe_text("ending", self.response.ending.as_deref());
        if let Some(caller) = &self.request.caller {
            fields.own("key", &caller.id);
            fields.maybe_text("tier", caller.tier.as_deref());
        }
        self.provenance_fields(&mut fields);
        self.envelope_fields(&mut fields);
        // Members of an object follow one another: the line is then written without building a tree.
        fields.maybe_text("model.requested", self.request.model.as_deref());
        let reading = self.usage.reading.as_ref();
        let served = reading.and_then(|reading| reading.model.as_deref());
        fields.maybe_text("model.served", served);
        self.route_fields(&mut fields);
        self.refusal_fields(&mut fields);
        self.guard_fields(&mut fields);
        self.usage_fields(&mut fields);
        if let Some(batch) = &self.usage.batch {
            batch_fields(batch, &mut fields);
        }
        if let Some(crash) = &self.usage.crash {
            fields.own("crash.owner", &crash.owner);
            let amounts = crash.amounts;
            fields.number("crash.tokens", amounts.tokens);
            fields.number("crash.input_tokens", amounts.input_tokens);
            fields.number("crash.output_tokens", amounts.output_tokens);
            fields.number("crash.cached_tokens", amounts.cached_tokens);
            fields.number("crash.requests", amounts.requests);
        }
        let charged = self.usage.charged.iter();
        fields.whole_texts("charges", charged.map(ToString::to_string));
        let overdrawn = self.usage.overdrawn.iter();
        fields.entries(
            "overdrawn",
            overdrawn.map(|account| (["overdrawn.", account].concat(), Value::Flag(true))),
        );
        // Several marks of one limit may be crossed at once, in ascending order.
        let crossings = self.usage.crossings.iter().rev().enumerate();
        let highest = crossings.filter(|(index, crossing)| {
            let mut higher = self.usage.crossings.iter().rev().take(*index);
            !higher.any(|other| other.is_of_the_limit_of(crossing))
        });
        fields.entries(
            "budget_warnings",
            highest.map(|(_, crossing)| {
                let (window, unit) = (crossing.window, crossing.unit.code());
                let name = format!("budget_warnings.{window}.{unit}.{}", crossing.account);
                (name, Value::Integer(i64::from(crossing.percent)))
            }),
        );
        fields.number_above_zero("left_out.receipts", self.left_out);
        fields.number("bytes.request", self.request.bytes);
        fields.number("bytes.response", self.response.bytes);
        fields.maybe_number(
            "time.first_byte_us",
            self.timing.first_byte.map(WholeUnits::whole_micros),
        );
        fields.number("time.total_us", self.timing.total.whole_micros());
        for plugin in lineup.plugins() {
            fields.own_under("plugins", plugin.name(), &plugin.identity().wasm);
        }
        for plugin in lineup.plugins() {
            if let Some(sidecar) = &plugin.identity().sidecar {
                fields.own_under("sidecars", plugin.name(), sidecar);
            }
        }
        contract::Receipt {
            id: self.id.to_string(),
            fields: fields.into_list(),
        }
    }

    fn provenance_fields(&self, fields: &mut Fields) {
        if let Some(client) = &self.request.provenance.client {
            fields.own("client.address", &address(client.address));
            if client.peer != client.address {
                fields.own("client.peer", &address(client.peer));
            }
        }
        fields.maybe_text("workspace", self.request.provenance.workspace.as_deref());
        fields.maybe_text(
            "environment",
            self.request.provenance.environment.as_deref(),
        );
    }

    fn route_fields(&self, fields: &mut Fields) {
        fields.maybe_text("rule", self.route.rule.as_deref());
        if let Some(downgrade) = &self.route.downgrade {
            fields.maybe_text("downgrade.from", downgrade.from.as_deref());
            fields.text("downgrade.to", &downgrade.to);
            fields.text("downgrade.account", &downgrade.account);
            fields.own("downgrade.plugin", &downgrade.plugin);
        }
        if let Some(thinking) = self.route.thinking {
            fields.number("thinking.asked_tokens", thinking.asked);
            fields.number("thinking.allowed_tokens", thinking.allowed);
        }
        for (index, attempt) in self.route.attempts.iter().take(MAX_ENTRIES).enumerate() {
            let mut digits = itoa::Buffer::new();
            let index = digits.format(index);
            let name = |field: &str| ["attempts.", index, ".", field].concat();
            fields.own(&name("upstream"), &attempt.upstream);
            fields.maybe_text(&name("model"), attempt.model.as_deref());
            fields.maybe_text(&name("request_id"), attempt.request_id.as_deref());
            match &attempt.result {
                Ok(status) => fields.number(&name("status"), u64::from(*status)),
                Err(error) => fields.text(&name("error"), error),
            }
        }
        fields.left_out("attempts", self.route.attempts.len());
        fields.entries(
            "passed_over",
            under("passed_over", self.route.passed_over.iter()),
        );
    }

    fn envelope_fields(&self, fields: &mut Fields) {
        let Some(envelope) = &self.request.envelope else {
            return;
        };
        let resource = self.route.resource.as_ref().or(envelope.resource.as_ref());
        fields.maybe_text("correlation_id", envelope.correlation_id.as_deref());
        fields.maybe_text("resource", resource.map(String::as_str));
        fields.maybe_text("tenant", envelope.tenant.as_deref());
        fields.maybe_text("user", envelope.user.as_deref());
        fields.maybe_text("session", envelope.session.as_deref());
        fields.maybe_text("agent", envelope.agent.as_deref());
        fields.entries("metadata", under("metadata", envelope.metadata.iter()));
    }

    fn refusal_fields(&self, fields: &mut Fields) {
        for fault in &self.route.skipped {
            fields.own_under("skipped", &fault.plugin, fault.kind.code());
        }
        let Some(refused) = &self.response.refused else {
            return;
        };
        fields.text("refusal.type", refused.kind.as_str());
        fields.text("refusal.message", &refused.message);
        let blame = match &refused.blame {
            Blame::Client => "client",
            Blame::Upstream => "upstream",
            Blame::Gateway => "gateway",
            Blame::Policy { plugin, hook } => {
                fields.own("refusal.plugin", plugin);
                fields.own("refusal.hook", hook.name());
                "policy"
            }
            Blame::Plugin { plugin, hook, kind } => {
                fields.own("refusal.plugin", plugin);
                fields.maybe_text("refusal.hook", hook.map(witgate_runtime::Hook::name));
                fields.own("refusal.fault", kind);
                "plugin"
            }
        };
        fields.own("refusal.blame", blame);
    }

    fn guard_fields(&self, fields: &mut Fields) {
        for calls in &self.guards {
            let name = |field: &str| format!("guards.{}.{field}", calls.plugin);
            fields.number(&name("pieces"), calls.pieces);
            fields.number_above_zero(&name("changed"), calls.changed);
            fields.maybe_text(&name("stopped"), calls.stopped.as_deref());
        }
    }

    fn usage_fields(&self, fields: &mut Fields) {
        if let Some(reading) = &self.usage.reading {
            fields.maybe_text("message_id", reading.message_id.as_deref());
            fields.maybe_text("stop_reason", reading.stop_reason.as_deref());
            fields.own("usage.source", source(reading.source));
            if reading.source != Source::None {
                let usage = &reading.usage;
                fields.number("usage.input_tokens", usage.tokens.input);
                fields.number("usage.output_tokens", usage.tokens.output);
                fields.number("usage.cache_read_input_tokens", usage.tokens.cache_read);
                fields.number(
                    "usage.cache_creation_input_tokens",
                    usage.tokens.cache_write,
                );
                if let Some(split) = usage.tokens.cache_split {
                    fields.number(
                        "usage.cache_creation.ephemeral_5m_input_tokens",
                        split.five_minutes,
                    );
                    fields.number(
                        "usage.cache_creation.ephemeral_1h_input_tokens",
                        split.one_hour,
                    );
                }
                fields.maybe_number("usage.thinking_tokens", usage.thinking);
                fields.number_above_zero("usage.web_search_requests", usage.web_searches);
                fields.maybe_text("usage.service_tier", usage.service_tier.as_deref());
                fields.maybe_text("usage.inference_geo", usage.inference_geo.as_deref());
                fields.maybe_text("usage.speed", usage.speed.as_deref());
            }
            fields.number_above_zero("usage.unread", reading.usage.unread);
            if let Some(error) = &reading.error {
                fields.text("error.type", error.kind.as_str());
                fields.text("error.message", &error.message);
            }
        }
        if let Some(cost) = &self.usage.cost {
            fields.number("cost_picousd", cost.picousd);
            if cost.pricing == Pricing::Unpriced {
                fields.flag("unpriced", true);
            }
        }
    }
}

fn batch_fields(batch: &BatchNote, fields: &mut Fields) {
    fields.text("batch.id", &batch.id);
    fields.maybe_number("batch.requests", batch.requests);
    fields.maybe_text("batch.ended", batch.ended);
    for (name, count) in batch.counts() {
        fields.number(name, count);
    }
    for (index, (model, messages, picousd)) in batch.models().take(MAX_ENTRIES).enumerate() {
        fields.model(&format!("batch.models.{index}.model"), model);
        fields.number(&format!("batch.models.{index}.messages"), messages);
        fields.number(&format!("batch.models.{index}.cost_picousd"), picousd);
    }
    fields.left_out("models", batch.models().count());
}

/// Returns pairs as fields whose names begin with `beginning`.
fn under<'a>(
    beginning: &'a str,
    pairs: impl Iterator<Item = &'a (String, String)> + 'a,
) -> impl Iterator<Item = (String, Value)> + 'a {
    pairs.map(move |(name, value)| ([beginning, ".", name].concat(), Value::Text(value.clone())))
}

/// Returns the code of a reading's reliability.
fn source(source: Source) -> &'static str {
    match source {
        Source::Reported => "reported",
        Source::Partial => "partial",
        Source::Estimated => "estimated",
        Source::None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use witgate_messages::meter::Reading;
    use witgate_runtime::Envelope;

    use super::super::line::write_in_order;
    use super::super::{Attempt, Downgrade, RequestFacts, RouteFacts, UsageFacts};
    use super::*;

    #[test]
    fn the_line_of_a_receipt_with_all_facts_is_written_without_a_tree() {
        let text = |text: &str| Some(text.to_owned());
        let receipt = Receipt {
            request: RequestFacts {
                model: text("a"),
                envelope: Some(Arc::new(Envelope {
                    tenant: text("t"),
                    metadata: vec![("team".to_owned(), "x".to_owned())],
                    ..Envelope::default()
                })),
                ..RequestFacts::default()
            },
            route: RouteFacts {
                downgrade: Some(Downgrade {
                    from: None,
                    to: "b".to_owned(),
                    account: "user:u".to_owned(),
                    plugin: "route".into(),
                }),
                attempts: ["one", "two"]
                    .map(|upstream| Attempt {
                        upstream: upstream.to_owned(),
                        model: text("b"),
                        request_id: text("r"),
                        result: Ok(200),
                    })
                    .into(),
                passed_over: vec![("three".to_owned(), "open".to_owned())],
                ..RouteFacts::default()
            },
            usage: UsageFacts {
                reading: Some(Reading {
                    source: Source::Reported,
                    model: text("b"),
                    ..Reading::default()
                }),
                overdrawn: vec!["user:u".to_owned()],
                ..UsageFacts::default()
            },
            left_out: 1,
            ..Receipt::default()
        };
        let fields = receipt.fields(&Lineup::new(1, Vec::new(), &[])).fields;
        let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        assert!(
            write_in_order(&fields, &mut Vec::new()).is_some(),
            "no object is opened twice: {names:?}"
        );
    }
}
