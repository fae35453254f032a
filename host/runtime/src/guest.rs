//! The host as a guest sees it: one value per store, which answers the guest's calls and counts what they cost.
//!
//! Every call from the guest goes through [`Guest::enter`], so no import escapes the limits. Bytes are counted both
//! ways. A limit that is broken ends the call and is remembered as a [`Breach`], so that the fault has the right name.

use crate::contract::{Attribute, Caller, Head, clock, log, metrics, settings, types};
use crate::deadline::Deadline;
use crate::limits::{Limiter, Limits};
use crate::request::Request;
use crate::stats::Stats;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use wasmtime::component::Resource;

/// Longest text that is kept of a log line or a panic.
const LONGEST_LINE: usize = 8 << 10;

/// What all instances of a plugin share.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) name: Arc<str>,
    pub(crate) sha256: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) settings: String,
    pub(crate) stats: Stats,
}

/// Marks the handle that a guest holds. There is one request at a time in a store, so the handle needs no number.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "the generated bindings name it in public signatures"
)]
pub struct RequestHandle;

/// The state of one store.
pub(crate) struct Guest {
    terms: Arc<Terms>,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
    stage: Stage,
    request: Option<Arc<dyn Request>>,
    host_calls: u32,
    copied: usize,
    body_read: usize,
    breach: Option<Breach>,
    failure: Option<String>,
}

/// What the instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Instantiation and `lifecycle.configure`: only `settings` and `log` are at hand.
    Configure,
    /// A hook.
    Call,
}

/// A limit that the guest broke by calling the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    HostCalls(u32),
    Copy(usize),
    Body(usize),
    NotAtHand(&'static str),
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(terms: Arc<Terms>) -> Self {
        Self {
            limiter: Limiter::new(&terms.limits),
            deadline: Deadline::default(),
            terms,
            stage: Stage::Configure,
            request: None,
            host_calls: 0,
            copied: 0,
            body_read: 0,
            breach: None,
            failure: None,
        }
    }

    /// Starts a call: all counters at zero.
    pub(crate) fn begin(&mut self, stage: Stage, request: Option<Arc<dyn Request>>) {
        self.stage = stage;
        self.request = request;
        self.host_calls = 0;
        self.copied = 0;
        self.body_read = 0;
        self.breach = None;
        self.failure = None;
        self.limiter.begin_call();
    }

    /// Ends a call: the request is the embedder's again.
    pub(crate) fn end(&mut self) {
        self.request = None;
    }

    pub(crate) fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// What the guest said about its own end.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Counts a call from the guest and the bytes that it brought.
    fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.terms.limits.host_calls {
            return Err(self.breached(Breach::HostCalls(self.terms.limits.host_calls)));
        }
        self.copy(bytes)
    }

    /// Counts a call that isn't at hand while the instance gets ready.
    fn enter_hook(&mut self, bytes: usize, what: &'static str) -> wasmtime::Result<()> {
        if self.stage == Stage::Configure {
            return Err(self.breached(Breach::NotAtHand(what)));
        }
        self.enter(bytes)
    }

    /// Counts bytes that are about to be copied.
    fn copy(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.copied = self.copied.saturating_add(bytes);
        if self.copied > self.terms.limits.copy_bytes {
            return Err(self.breached(Breach::Copy(self.terms.limits.copy_bytes)));
        }
        Ok(())
    }

    fn breached(&mut self, breach: Breach) -> wasmtime::Error {
        self.breach = Some(breach);
        wasmtime::Error::from(breach)
    }

    /// The request of this call. A guest can't hold a handle outside of a call that lends one, so this never fails
    /// for a guest that got here through a handle.
    fn request(&mut self, bytes: usize) -> wasmtime::Result<Arc<dyn Request>> {
        self.enter_hook(bytes, "request")?;
        match &self.request {
            Some(request) => Ok(Arc::clone(request)),
            None => Err(self.breached(Breach::NotAtHand("request"))),
        }
    }

    fn text(&mut self, text: &str) -> wasmtime::Result<String> {
        self.copy(text.len())?;
        Ok(text.to_owned())
    }

    fn optional_text(&mut self, text: Option<&str>) -> wasmtime::Result<Option<String>> {
        text.map(|text| self.text(text)).transpose()
    }

    fn attributes(&mut self, list: Vec<Attribute>) -> wasmtime::Result<Vec<Attribute>> {
        self.copy(attribute_bytes(&list))?;
        Ok(list)
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

fn shorten(mut text: String) -> String {
    if text.len() > LONGEST_LINE {
        let mut end = LONGEST_LINE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

impl types::Host for Guest {}

impl types::HostRequest for Guest {
    fn id(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        let request = self.request(0)?;
        self.text(request.id())
    }

    fn endpoint(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        let request = self.request(0)?;
        self.text(request.endpoint())
    }

    fn method(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        let request = self.request(0)?;
        self.text(request.method())
    }

    fn path(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<String> {
        let request = self.request(0)?;
        self.text(request.path())
    }

    fn header(
        &mut self,
        _: Resource<RequestHandle>,
        name: String,
    ) -> wasmtime::Result<Option<String>> {
        let request = self.request(name.len())?;
        self.optional_text(request.header(&name))
    }

    fn headers(
        &mut self,
        _: Resource<RequestHandle>,
        prefix: String,
    ) -> wasmtime::Result<Vec<Attribute>> {
        let request = self.request(prefix.len())?;
        self.attributes(request.headers(&prefix))
    }

    fn caller(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<Caller> {
        let caller = self.request(0)?.caller();
        let optional = optional_bytes(&[&caller.tenant, &caller.user, &caller.tier]);
        self.copy(caller.key_id.len() + optional + attribute_bytes(&caller.labels))?;
        Ok(caller)
    }

    fn head(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<Head> {
        let head = self.request(0)?.head();
        let optional = optional_bytes(&[&head.model, &head.user_id]);
        self.copy(optional + attribute_bytes(&head.attributes))?;
        Ok(head)
    }

    fn tools(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<Vec<String>> {
        let tools = self.request(0)?.tools();
        self.copy(tools.iter().map(String::len).sum())?;
        Ok(tools)
    }

    fn member(
        &mut self,
        _: Resource<RequestHandle>,
        name: String,
    ) -> wasmtime::Result<Option<String>> {
        let request = self.request(name.len())?;
        self.optional_text(request.member(&name))
    }

    fn body_read(
        &mut self,
        _: Resource<RequestHandle>,
        offset: u64,
        len: u32,
    ) -> wasmtime::Result<Vec<u8>> {
        let request = self.request(0)?;
        let body = request.body();
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(body.len());
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let part = body.get(start..start.saturating_add(len).min(body.len()));
        let part = part.unwrap_or_default();

        self.body_read = self.body_read.saturating_add(part.len());
        if self.body_read > self.terms.limits.body_bytes {
            return Err(self.breached(Breach::Body(self.terms.limits.body_bytes)));
        }
        self.copy(part.len())?;
        Ok(part.to_vec())
    }

    fn drop(&mut self, _: Resource<RequestHandle>) -> wasmtime::Result<()> {
        // Guests only ever borrow, and dropping a borrow doesn't come here.
        Ok(())
    }
}

impl log::Host for Guest {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.enter(message.len())?;
        let Terms {
            name,
            limits,
            stats,
            ..
        } = &*self.terms;
        if !stats.may_log(limits.log_lines) {
            return Ok(());
        }
        let message = shorten(message);
        match level {
            log::Level::Trace => {
                tracing::trace!(target: "witgate::plugin", plugin = %name, "{message}");
            }
            log::Level::Debug => {
                tracing::debug!(target: "witgate::plugin", plugin = %name, "{message}");
            }
            log::Level::Info => {
                tracing::info!(target: "witgate::plugin", plugin = %name, "{message}");
            }
            log::Level::Warn => {
                tracing::warn!(target: "witgate::plugin", plugin = %name, "{message}");
            }
            log::Level::Error => {
                tracing::error!(target: "witgate::plugin", plugin = %name, "{message}");
            }
        }
        Ok(())
    }

    fn failure(&mut self, message: String) -> wasmtime::Result<()> {
        self.enter(message.len())?;
        self.failure = Some(shorten(message));
        Ok(())
    }
}

impl metrics::Host for Guest {
    fn count(&mut self, name: String, by: u64) -> wasmtime::Result<()> {
        self.enter_hook(name.len(), "metrics")?;
        let Terms { limits, stats, .. } = &*self.terms;
        stats.count(&name, by, limits.metric_names);
        Ok(())
    }

    fn gauge(&mut self, name: String, value: i64) -> wasmtime::Result<()> {
        self.enter_hook(name.len(), "metrics")?;
        let Terms { limits, stats, .. } = &*self.terms;
        stats.gauge(&name, value, limits.metric_names);
        Ok(())
    }
}

impl settings::Host for Guest {
    fn json(&mut self) -> wasmtime::Result<String> {
        let terms = Arc::clone(&self.terms);
        self.enter(0)?;
        self.text(&terms.settings)
    }
}

impl clock::Host for Guest {
    fn unix_ms(&mut self) -> wasmtime::Result<u64> {
        self.enter_hook(0, "clock")?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Ok(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn monotonic_ns(&mut self) -> wasmtime::Result<u64> {
        static START: OnceLock<Instant> = OnceLock::new();
        self.enter_hook(0, "clock")?;
        let nanos = START.get_or_init(Instant::now).elapsed().as_nanos();
        Ok(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

// === impl Breach ===

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostCalls(limit) => write!(f, "more than {limit} calls to the host"),
            Self::Copy(limit) => write!(f, "more than {limit} bytes copied"),
            Self::Body(limit) => write!(f, "more than {limit} bytes of the body read"),
            Self::NotAtHand(what) => write!(f, "`{what}` is not at hand here"),
        }
    }
}

impl std::error::Error for Breach {}
