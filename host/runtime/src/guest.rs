//! The host side of a guest's imports: one value per store, which answers the guest's calls and counts their cost.
//!
//! Every call from the guest goes through [`Guest::enter`], so no import escapes the limits. Bytes count in both
//! directions. Exceeding a limit ends the call and leaves a [`Breach`], so that the fault gets the right kind.

mod breach;
mod context;
mod request;
mod services;

pub(crate) use breach::Breach;

pub(crate) use services::{monotonic_ns, since_epoch};

use std::sync::Arc;

use crate::call_facts::CallFacts;
use crate::contract::Attribute;
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
    stage: Stage,
    /// The limits of the running call.
    limits: CallLimits,
    facts: CallFacts,
    host_calls: u32,
    copied: usize,
    /// The part of `copied` whose size the request determines.
    lent: usize,
    body_read: usize,
    breach: Option<Breach>,
    /// Missing grants, collected in the smoke test, where the guest gets its answers all the same.
    missing_grants: Option<Vec<Breach>>,
    failure: Option<String>,
    pub(crate) stdio: Stdio,
    /// Made at the first call of WASI, so that plugins without WASI do without.
    pub(crate) machine: Option<Box<Machine>>,
}

/// The stage of an instance's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Instantiation and `lifecycle.configure`: only `settings` and `log` are available.
    Configure,
    /// A hook.
    Call,
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(spec: Arc<PluginSpec>) -> Self {
        Self {
            limiter: Limiter::new(&spec.limits, MemoryShare::none(&spec.memory)),
            limits: spec.limits.start,
            deadline: Deadline::default(),
            spec,
            stage: Stage::Configure,
            facts: CallFacts::default(),
            host_calls: 0,
            copied: 0,
            lent: 0,
            body_read: 0,
            breach: None,
            missing_grants: None,
            failure: None,
            stdio: Stdio::default(),
            machine: None,
        }
    }

    /// Collects missing grants from now on instead of ending the call, so that one message can list all of them.
    pub(crate) fn collect_missing_grants(&mut self) {
        self.missing_grants = Some(Vec::new());
    }

    /// Takes the missing grants that were collected since the last time.
    pub(crate) fn take_missing_grants(&mut self) -> Vec<Breach> {
        self.missing_grants
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Starts a call with all counters at zero, which [`end`](Self::end) has to end.
    pub(crate) fn begin(&mut self, stage: Stage, limits: CallLimits, facts: CallFacts) {
        self.spec.clock.calls().begin();
        self.stage = stage;
        self.limits = limits;
        self.facts = facts;
        self.host_calls = 0;
        self.copied = 0;
        self.lent = 0;
        self.body_read = 0;
        self.breach = None;
        self.failure = None;
        self.limiter.begin_call();
        self.stdio.begin_call();
    }

    /// Ends a call and lets go of its facts.
    pub(crate) fn end(&mut self) {
        self.spec.clock.calls().end();
        self.facts = CallFacts::default();
        self.print_rest();
    }

    /// Returns the facts of the running call.
    pub(crate) fn facts(&self) -> &CallFacts {
        &self.facts
    }

    pub(crate) fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    /// Returns the message for a call that missed its deadline.
    pub(crate) fn overtime(&self) -> String {
        let key = match self.stage {
            Stage::Configure => "configure_ms",
            Stage::Call => "deadline_ms",
        };
        format!(
            "ran longer than {} ms; do less work, or raise `{key}` in [limits] of the sidecar",
            self.limits.deadline.as_millis()
        )
    }

    /// Returns the breach of the copy limit.
    pub(crate) fn copy_limit(&self) -> Breach {
        Breach::Copy(self.limits.copy_bytes)
    }

    /// Takes the message that the guest left about its own failure.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Counts a call from the guest and the bytes of its arguments.
    pub(crate) fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.limits.host_calls {
            return Err(self.breached(Breach::HostCalls(self.limits.host_calls)));
        }
        self.copy(bytes)
    }

    /// Counts a call to an import that is not available while the instance starts.
    fn enter_hook(&mut self, bytes: usize, what: &'static str) -> wasmtime::Result<()> {
        if self.stage == Stage::Configure {
            return Err(self.breached(Breach::NotAvailable(what)));
        }
        self.enter(bytes)
    }

    /// Counts bytes that are about to be copied.
    fn copy(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > self.limits.copy_bytes {
            let breach = self.copy_limit();
            return Err(self.breached(breach));
        }
        Ok(())
    }

    /// Ends the call because of a missing grant, or records it in a smoke test.
    fn missing_grant(&mut self, breach: Breach) -> wasmtime::Result<()> {
        match &mut self.missing_grants {
            Some(missing) => {
                if !missing.contains(&breach) {
                    missing.push(breach);
                }
                Ok(())
            }
            None => Err(self.breached(breach)),
        }
    }

    fn breached(&mut self, breach: Breach) -> wasmtime::Error {
        self.breach = Some(breach.clone());
        wasmtime::Error::from(breach)
    }

    /// Returns the request of this call.
    fn request(&mut self, bytes: usize) -> wasmtime::Result<Arc<dyn Request>> {
        self.lent("request", bytes)
    }

    /// Returns the request of this call, for a function of the interface `what`.
    fn lent(&mut self, what: &'static str, bytes: usize) -> wasmtime::Result<Arc<dyn Request>> {
        self.enter_hook(bytes, what)?;
        let request = self.facts.request.clone();
        request.ok_or_else(|| self.breached(Breach::NotInHook(what)))
    }

    /// Refuses a value of the request that alone is larger than `limit`. The caller determines its size, so asking for it
    /// does not count against the plugin.
    fn fit(&mut self, what: &str, bytes: usize, limit: usize) -> wasmtime::Result<()> {
        if bytes <= limit {
            return Ok(());
        }
        let what = what.to_owned();
        Err(self.breached(Breach::Request { what, bytes, limit }))
    }

    fn text(&mut self, text: &str) -> wasmtime::Result<String> {
        self.copy(text.len())?;
        Ok(text.to_owned())
    }

    fn optional_text(&mut self, text: Option<&str>) -> wasmtime::Result<Option<String>> {
        text.map(|text| self.text(text)).transpose()
    }
}

fn attribute_bytes(list: &[Attribute]) -> usize {
    list.iter()
        .map(|(name, value)| name.len() + value.len())
        .sum()
}

fn optional_bytes(texts: &[&Option<String>]) -> usize {
    texts
        .iter()
        .map(|text| text.as_ref().map_or(0, String::len))
        .sum()
}

/// Returns a list that has elements, or `None`: an empty one costs a guest as much as a full one.
fn filled<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
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
