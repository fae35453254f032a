//! The fields of a receipt, in order.
//!
//! Operators build on the names of the fields, which the manual lists. A field that is not known is absent, so that zero
//! always means zero.

use std::borrow::Cow;

use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::Pricing;
use witgate_runtime::{self as contract, Lineup};

use super::fields::{Fields, MAX_ENTRIES};
use super::put::{List, Put, Scalar};
use super::{Outcome, Receipt, Translated, WithoutRoom};
use crate::answer::refused::{Blame, Refused};
use crate::clock::WholeUnits;
use crate::receipts::batch_note::BatchNote;
use crate::text::address;

// === impl Receipt ===

impl Receipt {
    /// Returns the fields of the receipt. Foreign text is cut, so that no receipt is large.
    pub(crate) fn fields(&self, lineup: &Lineup) -> contract::Receipt {
        let mut fields = Fields::of(List::default());
        self.put(&mut fields);
        put_plugins(lineup, &mut fields);
        contract::Receipt {
            id: self.id.to_string(),
            fields: fields.done().into_fields(),
        }
    }

    /// Adds the fields of the receipt, but for those about the plugins, which follow them.
    pub(super) fn put<P: Put>(&self, fields: &mut Fields<P>) {
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
        self.provenance_fields(fields);
        if let Some(dialect) = &self.request.dialect {
            fields.object("dialect", |fields| {
                fields.own("plugin", &dialect.plugin);
                fields.text("path", &dialect.path);
                fields.maybe_text("failure", dialect.failure.as_deref());
            });
        }
        self.envelope_fields(fields);
        fields.object("model", |model| {
            model.maybe_text("requested", self.request.model.as_deref());
            let reading = self.usage.reading.as_ref();
            let served = reading.and_then(|reading| reading.model.as_deref());
            model.maybe_text("served", served);
        });
        self.route_fields(fields);
        self.refusal_fields(fields);
        self.guard_fields(fields);
        self.usage_fields(fields);
        if let Some(batch) = &self.usage.batch {
            batch_fields(batch, fields);
        }
        if let Some(crash) = &self.usage.crash {
            let amounts = crash.amounts;
            fields.object("crash", |fields| {
                fields.own("owner", &crash.owner);
                fields.number("tokens", amounts.tokens);
                fields.number("input_tokens", amounts.input_tokens);
                fields.number("output_tokens", amounts.output_tokens);
                fields.number("cached_tokens", amounts.cached_tokens);
                fields.number("requests", amounts.requests);
            });
        }
        self.account_fields(fields);
        fields.object("left_out", |fields| {
            fields.number_above_zero("receipts", self.left_out);
        });
        fields.object("bytes", |bytes| {
            bytes.number("request", self.request.bytes);
            bytes.number("response", self.response.bytes);
        });
        fields.object("time", |time| {
            let first_byte = self.timing.first_byte.map(WholeUnits::whole_micros);
            time.maybe_number("first_byte_us", first_byte);
            time.number("total_us", self.timing.total.whole_micros());
        });
    }

    fn account_fields<P: Put>(&self, fields: &mut Fields<P>) {
        fields.whole_texts("charges", self.usage.charged.iter());
        let overdrawn = self.usage.overdrawn.iter();
        fields.entries(
            "overdrawn",
            overdrawn.map(|account| (Cow::from(account), Scalar::Flag(true))),
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
                let name = format!("{window}.{unit}.{}", crossing.account);
                let percent = i64::from(crossing.percent);
                (Cow::Owned(name), Scalar::Integer(percent))
            }),
        );
    }

    fn provenance_fields<P: Put>(&self, fields: &mut Fields<P>) {
        if let Some(client) = &self.request.provenance.client {
            fields.object("client", |fields| {
                fields.own("address", &address(client.address));
                if client.peer != client.address {
                    fields.own("peer", &address(client.peer));
                }
            });
        }
        fields.maybe_text("workspace", self.request.provenance.workspace.as_deref());
        fields.maybe_text(
            "environment",
            self.request.provenance.environment.as_deref(),
        );
    }

    fn route_fields<P: Put>(&self, fields: &mut Fields<P>) {
        fields.maybe_text("rule", self.route.rule.as_deref());
        if let Some(downgrade) = &self.route.downgrade {
            fields.object("downgrade", |fields| {
                fields.maybe_text("from", downgrade.from.as_deref());
                fields.text("to", &downgrade.to);
                fields.text("account", &downgrade.account);
                fields.own("plugin", &downgrade.plugin);
            });
        }
        if let Some(thinking) = self.route.thinking {
            fields.object("thinking", |fields| {
                fields.number("asked_tokens", thinking.asked);
                fields.number("allowed_tokens", thinking.allowed);
            });
        }
        let attempts = self.route.attempts.iter().take(MAX_ENTRIES);
        fields.object("attempts", |fields| {
            for (index, attempt) in attempts.enumerate() {
                fields.numbered(index, |fields| {
                    fields.own("upstream", &attempt.upstream);
                    fields.maybe_text("model", attempt.model.as_deref());
                    fields.maybe_text("credential", attempt.credential.as_deref());
                    fields.maybe_text("moved_from", attempt.moved_from.as_deref());
                    if let Some(translated) = &attempt.translated {
                        put_translated(translated, fields);
                    }
                    fields.maybe_text("request_id", attempt.request_id.as_deref());
                    match &attempt.result {
                        Ok(status) => fields.number("status", u64::from(*status)),
                        Err(error) => fields.text("error", error),
                    }
                });
            }
        });
        fields.left_out("attempts", self.route.attempts.len());
        fields.entries("passed_over", pairs(&self.route.passed_over));
        let without_room = self.route.without_room.iter().take(MAX_ENTRIES);
        fields.object("capacity", |fields| {
            for (index, target) in without_room.enumerate() {
                fields.numbered(index, |fields| put_without_room(target, fields));
            }
        });
        fields.left_out("capacity", self.route.without_room.len());
    }

    fn envelope_fields<P: Put>(&self, fields: &mut Fields<P>) {
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
        fields.entries("metadata", pairs(&envelope.metadata));
    }

    fn refusal_fields<P: Put>(&self, fields: &mut Fields<P>) {
        fields.object("skipped", |fields| {
            for fault in &self.route.skipped {
                fields.own_under(&fault.plugin, fault.kind.code());
            }
        });
        if let Some(refused) = &self.response.refused {
            fields.object("refusal", |fields| put_refusal(refused, fields));
        }
    }

    fn guard_fields<P: Put>(&self, fields: &mut Fields<P>) {
        fields.object("guards", |fields| {
            for calls in &self.guards {
                fields.named(&calls.plugin, |fields| {
                    fields.number("pieces", calls.pieces);
                    fields.number_above_zero("changed", calls.changed);
                    fields.maybe_text("stopped", calls.stopped.as_deref());
                });
            }
        });
    }

    fn usage_fields<P: Put>(&self, fields: &mut Fields<P>) {
        if let Some(reading) = &self.usage.reading {
            fields.maybe_text("message_id", reading.message_id.as_deref());
            fields.maybe_text("stop_reason", reading.stop_reason.as_deref());
            fields.object("usage", |fields| put_usage(reading, fields));
            if let Some(error) = &reading.error {
                fields.object("error", |fields| {
                    fields.text("type", error.kind.as_str());
                    fields.text("message", &error.message);
                });
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

/// Adds the fields about the plugins of a lineup, which are the last ones of a receipt.
pub(super) fn put_plugins<P: Put>(lineup: &Lineup, fields: &mut Fields<P>) {
    fields.object("plugins", |fields| {
        for plugin in lineup.plugins() {
            fields.own_under(plugin.name(), &plugin.identity().wasm);
        }
    });
    fields.object("sidecars", |fields| {
        for plugin in lineup.plugins() {
            if let Some(sidecar) = &plugin.identity().sidecar {
                fields.own_under(plugin.name(), sidecar);
            }
        }
    });
}

fn put_without_room<P: Put>(target: &WithoutRoom, fields: &mut Fields<P>) {
    let no_room = &target.no_room;
    fields.own("upstream", &target.upstream);
    fields.own("unit", no_room.limit.unit.code());
    fields.own("window", no_room.limit.window.code());
    fields.maybe_text("gave_way_to", no_room.gave_way_to());
    let wait = no_room.retry_after.map(WholeUnits::whole_millis);
    fields.maybe_number("retry_after_ms", wait);
}

fn put_translated<P: Put>(translated: &Translated, fields: &mut Fields<P>) {
    let (sent, figures) = (&translated.sent, &translated.figures);
    fields.own("provider", &sent.provider);
    fields.text("sent_model", &sent.model);
    if !sent.removed.is_empty() {
        fields.text("removed", &sent.removed.join(", "));
    }
    fields.maybe_number("latency_ms", figures.latency_ms);
    fields.maybe_number("first_byte_ms", figures.first_byte_ms);
}

fn put_refusal<P: Put>(refused: &Refused, fields: &mut Fields<P>) {
    fields.text("type", refused.kind.as_str());
    fields.text("message", &refused.message);
    let blame = match &refused.blame {
        Blame::Client => "client",
        Blame::Upstream => "upstream",
        Blame::Gateway => "gateway",
        Blame::Capacity => "capacity",
        Blame::Policy { plugin, hook } => {
            fields.own("plugin", plugin);
            fields.own("hook", hook.name());
            "policy"
        }
        Blame::Plugin { plugin, hook, kind } => {
            fields.own("plugin", plugin);
            fields.maybe_text("hook", hook.map(witgate_runtime::Hook::name));
            fields.own("fault", kind);
            "plugin"
        }
    };
    fields.own("blame", blame);
}

fn put_usage<P: Put>(reading: &Reading, fields: &mut Fields<P>) {
    fields.own("source", source(reading.source));
    let usage = &reading.usage;
    if reading.source != Source::None {
        fields.number("input_tokens", usage.tokens.input);
        fields.number("output_tokens", usage.tokens.output);
        fields.number("cache_read_input_tokens", usage.tokens.cache_read);
        fields.number("cache_creation_input_tokens", usage.tokens.cache_write);
        if let Some(split) = usage.tokens.cache_split {
            fields.object("cache_creation", |fields| {
                fields.number("ephemeral_5m_input_tokens", split.five_minutes);
                fields.number("ephemeral_1h_input_tokens", split.one_hour);
            });
        }
        fields.maybe_number("thinking_tokens", usage.thinking);
        fields.number_above_zero("web_search_requests", usage.web_searches);
        fields.maybe_text("service_tier", usage.service_tier.as_deref());
        fields.maybe_text("inference_geo", usage.inference_geo.as_deref());
        fields.maybe_text("speed", usage.speed.as_deref());
    }
    fields.number_above_zero("unread", usage.unread);
}

fn batch_fields<P: Put>(batch: &BatchNote, fields: &mut Fields<P>) {
    fields.object("batch", |fields| {
        fields.text("id", &batch.id);
        fields.maybe_number("requests", batch.requests);
        fields.maybe_text("ended", batch.ended);
        for (name, count) in batch.counts() {
            fields.number(name, count);
        }
        let models = batch.models().take(MAX_ENTRIES);
        fields.object("models", |fields| {
            for (index, (model, messages, picousd)) in models.enumerate() {
                fields.numbered(index, |fields| {
                    fields.model("model", model);
                    fields.number("messages", messages);
                    fields.number("cost_picousd", picousd);
                });
            }
        });
    });
    fields.left_out("models", batch.models().count());
}

/// Returns pairs as fields.
fn pairs(pairs: &[(String, String)]) -> impl Iterator<Item = (Cow<'_, str>, Scalar<'_>)> {
    pairs
        .iter()
        .map(|(name, value)| (Cow::from(name), Scalar::Text(value)))
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
mod tests;
