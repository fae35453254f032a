//! The receipt: everything known about a finished exchange, and how it reads on paper.
//!
//! Names of fields are part of what operators build on; they are listed in the manual. A field that is not known is
//! not there, so that zero always means zero.

mod fields;
mod line;
mod weight;

use std::sync::Arc;
use std::time::Duration;

use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::{Cost, Pricing};
use witgate_runtime::{self as contract, Envelope, Value};
use witgate_runtime::{Fault, Lineup};

use crate::answer::refused::{Blame, Refused};
use crate::receipts::batch_note::BatchNote;
use crate::tenants::keys::Caller;
use crate::tenants::provenance::Provenance;
use crate::text::Cut;

use self::fields::Fields;
pub(crate) use self::fields::is_kept;
pub(crate) use self::line::{line, tree};

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// The upstream's answer was delivered to its end.
    Answered,
    /// The upstream's error answer was delivered to its end.
    UpstreamError,
    /// The gateway answered instead of an upstream.
    Refused,
    /// The stream was delivered, and carried an error event.
    StreamError,
    /// The upstream's answer broke off; so did the client's.
    Cut,
    /// The client went away before its answer was complete.
    ClientGone,
    /// The gateway dropped the exchange: a stop past the drain timeout, or a defect.
    Abandoned,
}

/// One attempt at an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) upstream: String,
    pub(crate) model: Option<String>,
    /// The id that the upstream gave the request.
    pub(crate) request_id: Option<String>,
    /// Status of its answer, or what it failed with.
    pub(crate) result: Result<u16, String>,
}

/// A model that was asked for in the place of the planned one, because a limit was reached.
#[derive(Debug, Clone)]
pub(crate) struct Downgrade {
    /// The model that was planned.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    /// The account whose limit was reached.
    pub(crate) account: String,
    /// The plugin that named the other model.
    pub(crate) plugin: Arc<str>,
}

/// Whether an exchange was let in: from then on something may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// No: nothing is held for it, and nothing was sent.
    None,
    /// Yes.
    Given,
}

/// The facts of one exchange, filled in as the steps learn them.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) id: Arc<str>,
    pub(crate) started_unix_ms: u64,
    pub(crate) endpoint: &'static str,
    pub(crate) method: Cut,
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) provenance: Provenance,
    pub(crate) envelope: Option<Envelope>,
    pub(crate) admission: Admission,
    /// The logical model that the route was looked up by.
    pub(crate) resource: Option<String>,
    pub(crate) requested_model: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) downgrade: Option<Downgrade>,
    pub(crate) request_bytes: u64,
    pub(crate) attempts: Vec<Attempt>,
    /// Upstreams that were not asked, and why.
    pub(crate) passed_over: Vec<(String, String)>,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Option<Outcome>,
    /// How an answer that stopped before its end came to it, in words.
    pub(crate) ending: Option<String>,
    pub(crate) refused: Option<Refused>,
    /// Faults of plugins whose fail policy is open.
    pub(crate) skipped: Vec<Fault>,
    pub(crate) reading: Option<Reading>,
    pub(crate) cost: Option<Cost>,
    pub(crate) overdrawn: Vec<String>,
    /// The batch that it is about.
    pub(crate) batch: Option<Box<BatchNote>>,
    pub(crate) response_bytes: u64,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) duration: Duration,
    /// How many refusals of the same key have left no receipt since the last one that did.
    pub(crate) left_out: u64,
}

/// Most bytes of a method.
const LONGEST_METHOD: usize = 32;

/// Most entries of a list whose length is a caller's or a plugin's choice.
const LONGEST_LIST: usize = 64;

// === impl Outcome ===

impl Outcome {
    /// An open code, as on receipts and in metrics.
    #[must_use]
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::UpstreamError => "upstream-error",
            Self::Refused => "refused",
            Self::StreamError => "stream-error",
            Self::Cut => "cut",
            Self::ClientGone => "client-gone",
            Self::Abandoned => "abandoned",
        }
    }
}

// === impl Receipt ===

impl Receipt {
    /// The receipt of an exchange of which nothing is known yet.
    pub(crate) fn new(id: Arc<str>, started_unix_ms: u64, method: &str) -> Self {
        Self {
            id,
            started_unix_ms,
            endpoint: "",
            method: Cut::to(LONGEST_METHOD, method),
            caller: None,
            provenance: Provenance::default(),
            envelope: None,
            admission: Admission::None,
            resource: None,
            requested_model: None,
            rule: None,
            downgrade: None,
            request_bytes: 0,
            attempts: Vec::new(),
            passed_over: Vec::new(),
            status: None,
            outcome: None,
            ending: None,
            refused: None,
            skipped: Vec::new(),
            reading: None,
            cost: None,
            overdrawn: Vec::new(),
            batch: None,
            response_bytes: 0,
            first_byte: None,
            duration: Duration::ZERO,
            left_out: 0,
        }
    }

    /// Returns whether it says what may have to be paid for: it was let in, or a batch has come to its end.
    pub(crate) fn is_evidence(&self) -> bool {
        let settled = self.batch.as_ref().and_then(|batch| batch.ended);
        self.admission == Admission::Given || settled.is_some()
    }

    /// The facts under their names. Texts of foreign making are cut, so that no receipt is large.
    pub(crate) fn fields(&self, lineup: &Lineup) -> contract::Receipt {
        let mut fields = Fields::new();
        fields.own("id", &self.id);
        fields.number("started_unix_ms", self.started_unix_ms);
        fields.own("endpoint", self.endpoint);
        fields.text("method", &self.method);
        fields.own("outcome", self.outcome.unwrap_or(Outcome::Abandoned).code());
        fields.maybe_number("status", self.status.map(u64::from));
        fields.maybe_text("ending", self.ending.as_deref());
        if let Some(caller) = &self.caller {
            fields.own("key", &caller.id);
            fields.maybe_text("tier", caller.tier.as_deref());
        }
        self.provenance_fields(&mut fields);
        self.envelope_fields(&mut fields);
        fields.maybe_text("model.requested", self.requested_model.as_deref());
        self.route_fields(&mut fields);
        self.refusal_fields(&mut fields);
        self.usage_fields(&mut fields);
        if let Some(batch) = &self.batch {
            batch_fields(batch, &mut fields);
        }
        let overdrawn = self.overdrawn.iter();
        fields.entries(
            "overdrawn",
            overdrawn.map(|account| (format!("overdrawn.{account}"), Value::Flag(true))),
        );
        fields.maybe_number(
            "left_out.receipts",
            Some(self.left_out).filter(|it| *it > 0),
        );
        fields.number("bytes.request", self.request_bytes);
        fields.number("bytes.response", self.response_bytes);
        fields.maybe_number("time.first_byte_us", self.first_byte.map(micros));
        fields.number("time.total_us", micros(self.duration));
        for plugin in lineup.plugins() {
            fields.own(
                &format!("plugins.{}", plugin.name()),
                &plugin.identity().wasm,
            );
        }
        for plugin in lineup.plugins() {
            if let Some(sidecar) = &plugin.identity().sidecar {
                fields.own(&format!("sidecars.{}", plugin.name()), sidecar);
            }
        }
        contract::Receipt {
            id: self.id.to_string(),
            fields: fields.into_list(),
        }
    }

    fn provenance_fields(&self, fields: &mut Fields) {
        if let Some(client) = &self.provenance.client {
            fields.own("client.address", &client.address.to_string());
            if client.peer != client.address {
                fields.own("client.peer", &client.peer.to_string());
            }
        }
        fields.maybe_text("workspace", self.provenance.workspace.as_deref());
        fields.maybe_text("environment", self.provenance.environment.as_deref());
    }

    fn route_fields(&self, fields: &mut Fields) {
        fields.maybe_text("rule", self.rule.as_deref());
        if let Some(downgrade) = &self.downgrade {
            fields.maybe_text("downgrade.from", downgrade.from.as_deref());
            fields.text("downgrade.to", &downgrade.to);
            fields.text("downgrade.account", &downgrade.account);
            fields.own("downgrade.plugin", &downgrade.plugin);
        }
        for (index, attempt) in self.attempts.iter().take(LONGEST_LIST).enumerate() {
            let name = |field: &str| format!("attempts.{index}.{field}");
            fields.own(&name("upstream"), &attempt.upstream);
            fields.maybe_text(&name("model"), attempt.model.as_deref());
            fields.maybe_text(&name("request_id"), attempt.request_id.as_deref());
            match &attempt.result {
                Ok(status) => fields.number(&name("status"), u64::from(*status)),
                Err(error) => fields.text(&name("error"), error),
            }
        }
        fields.left_out("attempts", self.attempts.len());
        fields.entries("passed_over", under("passed_over", self.passed_over.iter()));
    }

    fn envelope_fields(&self, fields: &mut Fields) {
        let Some(envelope) = &self.envelope else {
            return;
        };
        let resource = self.resource.as_ref().or(envelope.resource.as_ref());
        fields.maybe_text("correlation_id", envelope.correlation_id.as_deref());
        fields.maybe_text("resource", resource.map(String::as_str));
        fields.maybe_text("tenant", envelope.tenant.as_deref());
        fields.maybe_text("user", envelope.user.as_deref());
        fields.maybe_text("session", envelope.session.as_deref());
        fields.maybe_text("agent", envelope.agent.as_deref());
        fields.entries("metadata", under("metadata", envelope.metadata.iter()));
    }

    fn refusal_fields(&self, fields: &mut Fields) {
        for fault in &self.skipped {
            fields.own(&format!("skipped.{}", fault.plugin), fault.kind.code());
        }
        let Some(refused) = &self.refused else {
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

    fn usage_fields(&self, fields: &mut Fields) {
        if let Some(reading) = &self.reading {
            fields.maybe_text("model.served", reading.model.as_deref());
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
                fields.maybe_number(
                    "usage.web_search_requests",
                    Some(usage.web_searches).filter(|count| *count > 0),
                );
                fields.maybe_text("usage.service_tier", usage.service_tier.as_deref());
                fields.maybe_text("usage.inference_geo", usage.inference_geo.as_deref());
                fields.maybe_text("usage.speed", usage.speed.as_deref());
            }
            fields.maybe_number(
                "usage.unread",
                Some(reading.usage.unread).filter(|count| *count > 0),
            );
            if let Some(error) = &reading.error {
                fields.text("error.type", error.kind.as_str());
                fields.text("error.message", &error.message);
            }
        }
        if let Some(cost) = &self.cost {
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
    for (index, (model, messages, picousd)) in batch.models().take(LONGEST_LIST).enumerate() {
        fields.model(&format!("batch.models.{index}.model"), model);
        fields.number(&format!("batch.models.{index}.messages"), messages);
        fields.number(&format!("batch.models.{index}.cost_picousd"), picousd);
    }
    fields.left_out("models", batch.models().count());
}

/// Pairs as fields whose names have this beginning.
fn under<'a>(
    beginning: &'a str,
    pairs: impl Iterator<Item = &'a (String, String)> + 'a,
) -> impl Iterator<Item = (String, Value)> + 'a {
    pairs.map(move |(name, value)| (format!("{beginning}.{name}"), Value::Text(value.clone())))
}

/// How well the usage is known.
fn source(source: Source) -> &'static str {
    match source {
        Source::Reported => "reported",
        Source::Partial => "partial",
        Source::Estimated => "estimated",
        Source::None => "unknown",
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
