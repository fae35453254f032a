//! The receipt: everything known about a finished exchange.

mod contents;
pub(crate) mod direct;
mod fields;
mod line;
mod put;
mod weight;

use std::sync::Arc;
use std::time::Duration;

use witgate_capacity::Refused as NoRoom;
use witgate_ledger::Crossing;
use witgate_messages::meter::Reading;
use witgate_messages::price::Cost;
use witgate_runtime::{Envelope, ExchangeFacts, Fault, GuardCalls};
use witgate_upstream::{AsSent, Figures};

pub(crate) use self::fields::is_kept;
pub(crate) use self::line::{tree, write_line};
use crate::answer::refused::Refused;
use crate::exchange::decide::thinking::Thinking;
use crate::receipts::batch_note::BatchNote;
use crate::receipts::charged::Charged;
use crate::receipts::crash_note::CrashNote;
use crate::tenants::keys::Caller;
use crate::tenants::provenance::Provenance;
use crate::text::Cut;

/// The outcome of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// The upstream's response was delivered completely.
    Answered,
    /// The upstream's error response was delivered completely.
    UpstreamError,
    /// The gateway refused the request.
    Refused,
    /// The stream was delivered completely and contained an error event.
    StreamError,
    /// The upstream's response broke off, and the client's with it.
    Cut,
    /// The client disconnected before the response was complete.
    ClientGone,
    /// The gateway dropped the exchange: it stopped after the drain timeout, or has a defect.
    Abandoned,
    /// The gateway was killed before the exchange ended; the next one settled it at what the client may have got.
    CrashEstimated,
    /// The gateway was killed after the exchange ended and before its receipt was written.
    CrashSettled,
}

/// An attempt at an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) upstream: String,
    pub(crate) model: Option<String>,
    /// The name of the credential, if the upstream has several.
    pub(crate) credential: Option<Arc<str>>,
    /// The name of the credential that the session had before, if it was another one.
    pub(crate) moved_from: Option<Arc<str>>,
    /// The request id that the upstream assigned.
    pub(crate) request_id: Option<String>,
    /// The status of the response, or the failure.
    pub(crate) result: Result<u16, String>,
    /// The translation into another dialect, or `None` for a request in the API's own.
    pub(crate) translated: Option<Box<Translated>>,
}

/// The translation of a request into an upstream's dialect.
#[derive(Debug, Clone)]
pub(crate) struct Translated {
    pub(crate) sent: AsSent,
    /// The upstream's own figures about its answer.
    pub(crate) figures: Figures,
}

/// A target that was not asked because it has no room in its capacity.
#[derive(Debug, Clone)]
pub(crate) struct WithoutRoom {
    pub(crate) upstream: String,
    pub(crate) no_room: NoRoom,
}

/// A replacement of the planned model, because a budget was exhausted.
#[derive(Debug, Clone)]
pub(crate) struct Downgrade {
    /// The planned model.
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    /// The exhausted account.
    pub(crate) account: String,
    /// The plugin that chose the other model.
    pub(crate) plugin: Arc<str>,
}

/// The admission of an exchange. Only what was admitted is ever sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Admission {
    /// No hold, and nothing was sent.
    #[default]
    None,
    /// The exchange was admitted.
    Given,
}

/// The facts of an exchange, filled in as the steps learn them.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    pub(crate) id: Arc<str>,
    pub(crate) started_unix_ms: u64,
    pub(crate) request: RequestFacts,
    pub(crate) route: RouteFacts,
    /// The guards that read texts of the exchange.
    pub(crate) guards: Vec<GuardCalls>,
    pub(crate) response: ResponseFacts,
    pub(crate) usage: UsageFacts,
    pub(crate) timing: Timing,
    /// Number of refusals of the same key that left no receipt since the last one that did.
    pub(crate) left_out: u64,
}

/// The request and its caller.
#[derive(Debug, Default)]
pub(crate) struct RequestFacts {
    pub(crate) endpoint: &'static str,
    pub(crate) method: Cut,
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) provenance: Provenance,
    pub(crate) envelope: Option<Arc<Envelope>>,
    pub(crate) admission: Admission,
    pub(crate) model: Option<String>,
    pub(crate) bytes: u64,
    /// The translation of the request, if a plugin made one.
    pub(crate) dialect: Option<Box<DialectNote>>,
}

/// The translation of a request of another API.
#[derive(Debug)]
pub(crate) struct DialectNote {
    pub(crate) plugin: Arc<str>,
    /// The path that the client asked for, without its query.
    pub(crate) path: String,
    /// The failure of the response's translation.
    pub(crate) failure: Option<String>,
}

/// The plugins' decisions, and the upstreams that were tried.
#[derive(Debug, Default)]
pub(crate) struct RouteFacts {
    /// The logical model that the route was looked up by.
    pub(crate) resource: Option<String>,
    pub(crate) rule: Option<String>,
    pub(crate) downgrade: Option<Downgrade>,
    /// The thinking that a limit lowered. Of a batch, that of its first such request.
    pub(crate) thinking: Option<Thinking>,
    /// Faults of plugins whose fail policy is open.
    pub(crate) skipped: Vec<Fault>,
    pub(crate) attempts: Vec<Attempt>,
    /// Upstreams that were not tried, each with the reason.
    pub(crate) passed_over: Vec<(String, String)>,
    /// Those of them that had no room.
    pub(crate) without_room: Vec<WithoutRoom>,
}

/// The response to the client.
#[derive(Debug, Default)]
pub(crate) struct ResponseFacts {
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Option<Outcome>,
    /// Reason that a response stopped before its end, in words.
    pub(crate) ending: Option<String>,
    pub(crate) refused: Option<Refused>,
    pub(crate) bytes: u64,
}

/// The usage of the exchange, and its price.
#[derive(Debug, Default)]
pub(crate) struct UsageFacts {
    pub(crate) reading: Option<Reading>,
    pub(crate) cost: Option<Cost>,
    /// The balances that the exchange was charged to.
    pub(crate) charged: Vec<Charged>,
    /// Accounts that the exchange took over their limit.
    pub(crate) overdrawn: Vec<String>,
    /// Marks of limits that were crossed with the exchange, and are announced.
    pub(crate) crossings: Vec<Crossing>,
    /// The batch that the exchange was about.
    pub(crate) batch: Option<Box<BatchNote>>,
    /// The settlement after a crash that the receipt is about.
    pub(crate) crash: Option<Box<CrashNote>>,
}

/// Times since the request's head was read.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    pub(crate) first_byte: Option<Duration>,
    pub(crate) total: Duration,
}

/// Longest method on a receipt, in bytes.
const MAX_METHOD_BYTES: usize = 32;

// === impl Translated ===

impl Translated {
    /// Returns the translation of a request before there are figures.
    pub(crate) fn of(sent: AsSent) -> Box<Self> {
        Box::new(Self {
            sent,
            figures: Figures::default(),
        })
    }
}

// === impl Outcome ===

impl Outcome {
    /// Returns the code on receipts and in metrics.
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
            Self::CrashEstimated => "crash-estimated",
            Self::CrashSettled => "crash-settled",
        }
    }
}

// === impl Receipt ===

impl Receipt {
    /// Returns the receipt of an exchange that has just begun.
    pub(crate) fn new(id: Arc<str>, started_unix_ms: u64, method: &str) -> Self {
        Self {
            id,
            started_unix_ms,
            request: RequestFacts {
                method: Cut::to(MAX_METHOD_BYTES, method),
                ..RequestFacts::default()
            },
            ..Self::default()
        }
    }

    /// Returns the facts by which plugins may be interested in the receipt. They are complete for an exchange that was admitted.
    pub(crate) fn facts(&self) -> ExchangeFacts<'_> {
        let request = &self.request;
        let caller = request.caller.as_deref();
        ExchangeFacts {
            are_complete: request.admission == Admission::Given && self.usage.crash.is_none(),
            endpoint: Some(request.endpoint).filter(|code| !code.is_empty()),
            tier: caller.and_then(|caller| caller.tier.as_deref()),
            context: request.envelope.as_deref(),
            model: request.model.as_deref(),
            had_other_models: self.usage.batch.is_some(),
        }
    }

    /// Returns whether the receipt is evidence of a possible cost: the exchange was admitted, or a batch or what a crash left was
    /// settled.
    pub(crate) fn is_evidence(&self) -> bool {
        let settled = self.usage.batch.as_ref().and_then(|batch| batch.ended);
        self.request.admission == Admission::Given
            || settled.is_some()
            || self.usage.crash.is_some()
    }
}
