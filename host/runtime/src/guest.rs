//! The host side of a guest's imports: one value per store, which answers the guest's calls and counts their cost.
//!
//! Every call from the guest goes through [`Guest::enter`], so no import escapes the limits. Bytes count in both
//! directions. Exceeding a limit ends the call and leaves a [`Breach`], so that the fault gets the right kind.

mod breach;
mod context;
mod notes;
mod request;
mod services;
mod tally;

pub(crate) use breach::Breach;

pub(crate) use services::{monotonic_ns, since_epoch};
pub(crate) use tally::{Stage, Tally};

use std::sync::Arc;

use crate::call_facts::CallFacts;
use crate::deadline::Deadline;
use crate::limits::{CallLimits, Limiter, MemoryShare};
use crate::request::Request;
use crate::spec::PluginSpec;
use crate::wasi::{Machine, Stdio};

/// The maximum length of a log line or a panic message; the rest is cut off.
pub(crate) const MAX_LINE_BYTES: usize = 8 << 10;

/// The state of one store.
pub(crate) struct Guest {
    spec: Arc<PluginSpec>,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
    /// The facts of the running call.
    facts: CallFacts,
    tally: Tally,
    failure: Option<String>,
    pub(crate) stdio: Stdio,
    /// Made at the first call of WASI, so that plugins without WASI do without.
    pub(crate) machine: Option<Box<Machine>>,
}

/// The request of the running call, and what counts the copies of its parts.
struct Lent<'a> {
    request: &'a dyn Request,
    spec: &'a PluginSpec,
    tally: &'a mut Tally,
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(spec: Arc<PluginSpec>) -> Self {
        Self {
            limiter: Limiter::new(&spec.limits, MemoryShare::none(&spec.memory)),
            tally: Tally::new(spec.limits.start),
            deadline: Deadline::default(),
            spec,
            facts: CallFacts::default(),
            failure: None,
            stdio: Stdio::default(),
            machine: None,
        }
    }

    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Starts a call with all counters at zero, which [`end`](Self::end) has to end, and takes its facts.
    pub(crate) fn begin(&mut self, stage: Stage, limits: CallLimits, facts: &mut CallFacts) {
        self.spec.clock.calls().begin();
        std::mem::swap(&mut self.facts, facts);
        self.tally.begin(stage, limits);
        self.failure = None;
        self.limiter.begin_call();
        self.stdio.begin_call();
    }

    /// Ends a call and gives its facts back.
    pub(crate) fn end(&mut self, facts: &mut CallFacts) {
        self.spec.clock.calls().end();
        std::mem::swap(&mut self.facts, facts);
        self.print_rest();
    }

    /// Returns the facts of the running call.
    pub(crate) fn facts(&self) -> &CallFacts {
        &self.facts
    }

    pub(crate) fn breach(&self) -> Option<&Breach> {
        self.tally.breach()
    }

    /// Returns the message for a call that missed its deadline.
    pub(crate) fn overtime(&self) -> String {
        self.tally.overtime()
    }

    /// Returns the breach of the copy limit.
    pub(crate) fn copy_limit(&self) -> Breach {
        self.tally.copy_limit()
    }

    /// Takes the message that the guest left about its own failure.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Counts a call from the guest and the bytes of its arguments.
    pub(crate) fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.tally.enter(bytes)
    }

    /// Counts a call to the interface `what`, which lends the request.
    fn lent(&mut self, what: &'static str, bytes: usize) -> wasmtime::Result<Lent<'_>> {
        self.tally.enter_hook(bytes, what)?;
        match &self.facts.request {
            Some(request) => Ok(Lent {
                request: &**request,
                spec: &self.spec,
                tally: &mut self.tally,
            }),
            None => Err(self.tally.breached(Breach::NotInHook(what))),
        }
    }
}

fn optional_bytes(texts: &[&Option<String>]) -> usize {
    texts
        .iter()
        .map(|text| text.as_ref().map_or(0, String::len))
        .sum()
}

pub(crate) fn shorten(mut text: String) -> String {
    if text.len() > MAX_LINE_BYTES {
        let mut end = MAX_LINE_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
