//! The host as a guest sees it: one value per store, which answers the guest's calls and counts what they cost.
//!
//! Every call from the guest goes through [`Guest::enter`], so no import escapes the limits. Bytes are counted both
//! ways. A limit that is broken ends the call and is remembered as a [`Breach`], so that the fault has the right name.

mod request;
mod services;

pub(crate) use services::{monotonic_ns, since_epoch};

use crate::contract::Attribute;
use crate::deadline::Deadline;
use crate::fault::{Failure, Fault};
use crate::grants::{BodyGrant, Grants, HeaderGrant};
use crate::hook::Hook;
use crate::kv::Table;
use crate::limits::{CallLimits, Limiter, Limits, Room, Taken};
use crate::request::Request;
use crate::stats::Stats;
use crate::vocabulary::Words;
use crate::wasi::Stdio;
use std::fmt;
use std::sync::Arc;

/// Longest text that is kept of a log line or a panic.
pub(crate) const LONGEST_LINE: usize = 8 << 10;

/// What all instances of a plugin share.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) name: Arc<str>,
    pub(crate) sha256: Arc<str>,
    pub(crate) limits: Limits,
    pub(crate) grants: Grants,
    /// Headers that carry credentials.
    pub(crate) secret_headers: Arc<[String]>,
    /// Answer headers that only the host sets.
    pub(crate) host_headers: Arc<[HeaderGrant]>,
    /// Answer headers that a plugin may set; none is all but the host's.
    pub(crate) answer_headers: Option<Arc<[HeaderGrant]>>,
    /// What it remembers in `kv`.
    pub(crate) table: Arc<Table>,
    pub(crate) settings: String,
    pub(crate) words: Words,
    /// The memory of all instances of the engine.
    pub(crate) room: Arc<Room>,
    pub(crate) stats: Stats,
}

// === impl Terms ===

impl Terms {
    /// The same for an instance that is tried and thrown away: what it remembers and counts is its own.
    pub(crate) fn for_trial(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            sha256: Arc::clone(&self.sha256),
            limits: self.limits.clone(),
            grants: self.grants.clone(),
            secret_headers: Arc::clone(&self.secret_headers),
            host_headers: Arc::clone(&self.host_headers),
            answer_headers: self.answer_headers.clone(),
            table: Arc::default(),
            settings: self.settings.clone(),
            words: self.words.clone(),
            room: Arc::clone(&self.room),
            stats: Stats::default(),
        }
    }

    /// Counts a failure and names whose it is.
    pub(crate) fn fault(&self, hook: Option<Hook>, failure: Failure) -> Fault {
        self.stats.faulted(failure.kind);
        Fault {
            plugin: Arc::clone(&self.name),
            sha256: Arc::clone(&self.sha256),
            hook,
            kind: failure.kind,
            message: failure.message,
            backtrace: failure.backtrace,
        }
    }
}

/// The state of one store.
pub(crate) struct Guest {
    terms: Arc<Terms>,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
    stage: Stage,
    /// Those of the call that runs.
    limits: CallLimits,
    request: Option<Arc<dyn Request>>,
    host_calls: u32,
    copied: usize,
    /// Bytes of `copied` whose number is the request's choice.
    lent: usize,
    body_read: usize,
    breach: Option<Breach>,
    /// Missing grants, collected while the instance is rehearsed: there the questions are answered all the same.
    lacking: Option<Vec<Breach>>,
    failure: Option<String>,
    pub(crate) stdio: Stdio,
}

/// What the instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Instantiation and `lifecycle.configure`: only `settings` and `log` are at hand.
    Configure,
    /// A hook.
    Call,
}

/// A limit or a grant that the guest broke by calling the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    HostCalls(u32),
    Copy(usize),
    Body(usize),
    /// One value of the request alone is larger than the plugin may read.
    Request {
        what: String,
        bytes: usize,
        limit: usize,
    },
    NotAtHand(&'static str),
    Interface(&'static str),
    Header(String),
    /// A header that can't be granted.
    Credential(String),
    BodyGrant {
        asked: &'static str,
        needed: BodyGrant,
    },
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(terms: Arc<Terms>) -> Self {
        Self {
            limiter: Limiter::new(&terms.limits, Taken::none(&terms.room)),
            limits: terms.limits.start,
            deadline: Deadline::default(),
            terms,
            stage: Stage::Configure,
            request: None,
            host_calls: 0,
            copied: 0,
            lent: 0,
            body_read: 0,
            breach: None,
            lacking: None,
            failure: None,
            stdio: Stdio::default(),
        }
    }

    /// From now on what is not granted is collected, so that all of it can be told at once.
    pub(crate) fn collect_lacking(&mut self) {
        self.lacking = Some(Vec::new());
    }

    /// Takes the missing grants that were collected since the last time.
    pub(crate) fn take_lacking(&mut self) -> Vec<Breach> {
        self.lacking
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Starts a call: all counters at zero.
    pub(crate) fn begin(
        &mut self,
        stage: Stage,
        limits: CallLimits,
        request: Option<Arc<dyn Request>>,
    ) {
        self.stage = stage;
        self.limits = limits;
        self.request = request;
        self.host_calls = 0;
        self.copied = 0;
        self.lent = 0;
        self.body_read = 0;
        self.breach = None;
        self.failure = None;
        self.limiter.begin_call();
        self.stdio.begin_call();
    }

    /// Ends a call: the request is the embedder's again.
    pub(crate) fn end(&mut self) {
        self.request = None;
        self.print_rest();
    }

    pub(crate) fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    /// Returns the text about a call that took too long.
    pub(crate) fn overtime(&self) -> String {
        let key = match self.stage {
            Stage::Configure => "configure_ms",
            Stage::Call => "deadline_ms",
        };
        format!(
            "ran longer than {} ms; do less, or raise `{key}` in [limits] of the sidecar",
            self.limits.deadline.as_millis()
        )
    }

    /// The limit of what may be copied, as it is told when it is passed.
    pub(crate) fn copy_limit(&self) -> Breach {
        Breach::Copy(self.limits.copy_bytes)
    }

    /// What the guest said about its own end.
    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Counts a call from the guest and the bytes that it brought.
    pub(crate) fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.limits.host_calls {
            return Err(self.breached(Breach::HostCalls(self.limits.host_calls)));
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
        if self.copied > self.limits.copy_bytes {
            return Err(self.breached(Breach::Copy(self.limits.copy_bytes)));
        }
        Ok(())
    }

    /// Ends the call because of a grant that is missing; in a rehearsal, notes it.
    fn lacks(&mut self, breach: Breach) -> wasmtime::Result<()> {
        match &mut self.lacking {
            Some(lacking) => {
                if !lacking.contains(&breach) {
                    lacking.push(breach);
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

    /// The request of this call. A guest can't hold a handle outside of a call that lends one, so this never fails
    /// for a guest that got here through a handle.
    fn request(&mut self, bytes: usize) -> wasmtime::Result<Arc<dyn Request>> {
        self.enter_hook(bytes, "request")?;
        match &self.request {
            Some(request) => Ok(Arc::clone(request)),
            None => Err(self.breached(Breach::NotAtHand("request"))),
        }
    }

    /// Refuses a value of the request that is larger than `limit` by itself. Its size is the caller's choice, so it is no
    /// fault of the plugin to ask for it.
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

pub(crate) fn shorten(mut text: String) -> String {
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

// === impl Breach ===

impl Breach {
    /// Everything that is lacking, in one text: headers share the line that grants them.
    pub(crate) fn all(lacking: &[Self]) -> String {
        let headers: Vec<_> = lacking
            .iter()
            .filter_map(|breach| match breach {
                Self::Header(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let others = lacking
            .iter()
            .filter(|breach| !matches!(breach, Self::Header(_)));
        let mut texts: Vec<_> = others.map(ToString::to_string).collect();
        match headers.as_slice() {
            [] => {}
            [name] => texts.push(Self::Header((*name).to_owned()).to_string()),
            names => texts.push(format!(
                "the headers `{}` are not granted; `headers = [\"{}\"]` in [grants] of the sidecar grants them",
                names.join("`, `"),
                names.join("\", \"")
            )),
        }
        texts.join("; ")
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostCalls(limit) => write!(
                f,
                "more than {limit} calls to the host; ask once and keep the answer, or raise `host_calls` in [limits] of the sidecar"
            ),
            Self::Copy(limit) => write!(
                f,
                "more than {limit} bytes copied between host and plugin; ask for less, or raise `copy_bytes` in [limits] of the sidecar"
            ),
            Self::Body(limit) => write!(
                f,
                "more than {limit} bytes of the body read; read less, or raise `body_bytes` in [limits] of the sidecar"
            ),
            Self::Request { what, bytes, limit } => write!(
                f,
                "`{what}` has {bytes} bytes, and it may read {limit} of a request"
            ),
            Self::NotAtHand(what) => write!(f, "`{what}` is not at hand here"),
            Self::Interface(name) => write!(
                f,
                "`{name}` is not granted; `{name} = true` in [grants] of the sidecar grants it"
            ),
            Self::Header(name) => write!(
                f,
                "the header `{name}` is not granted; `headers = [\"{name}\"]` in [grants] of the sidecar grants it"
            ),
            Self::Credential(name) => write!(
                f,
                "the header `{name}` carries credentials, which no plugin ever sees; remove the question, and use `caller()` to know who asks"
            ),
            Self::BodyGrant { asked, needed } => write!(
                f,
                "`{asked}` is not granted; `body = \"{}\"` in [grants] of the sidecar grants it",
                needed.name()
            ),
        }
    }
}

impl std::error::Error for Breach {}
