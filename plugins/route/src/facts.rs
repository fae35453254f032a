//! The facts that conditions test. Each part is fetched from the host at its first use.

use std::borrow::Cow;
use std::cell::OnceCell;

use witgate_plugin::Request;
use witgate_plugin::types::{Caller, Envelope, Head, UpstreamStats, attribute};

/// A request with its envelope and the state of the upstreams.
pub(crate) struct Facts<'a> {
    request: &'a Request<'a>,
    envelope: &'a Envelope,
    upstreams: &'a [UpstreamStats],
    head: OnceCell<Head>,
    caller: OnceCell<Caller>,
    tools: OnceCell<Vec<String>>,
    lot: OnceCell<u64>,
}

/// The model that a rule is tested for.
#[derive(Clone, Copy)]
pub(crate) enum Model<'a> {
    /// The model that the request names.
    Asked,
    /// A model that the plan would send the request to.
    Planned(&'a str),
}

/// Offset and prime of FNV-1a, 64 bit.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

// === impl Facts ===

impl<'a> Facts<'a> {
    pub(crate) fn new(
        request: &'a Request<'a>,
        envelope: &'a Envelope,
        upstreams: &'a [UpstreamStats],
    ) -> Self {
        Self {
            request,
            envelope,
            upstreams,
            head: OnceCell::new(),
            caller: OnceCell::new(),
            tools: OnceCell::new(),
            lot: OnceCell::new(),
        }
    }

    pub(crate) fn head(&self) -> &Head {
        self.head.get_or_init(|| self.request.head())
    }

    pub(crate) fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| self.request.caller())
    }

    pub(crate) fn tools(&self) -> &[String] {
        self.tools.get_or_init(|| self.request.tools())
    }

    pub(crate) fn endpoint(&self) -> String {
        self.request.endpoint()
    }

    pub(crate) fn envelope(&self) -> &Envelope {
        self.envelope
    }

    pub(crate) fn label(&self, name: &str) -> Option<Cow<'_, str>> {
        attribute(&self.caller().labels, name).map(Cow::Borrowed)
    }

    pub(crate) fn upstream(&self, name: &str) -> Option<&UpstreamStats> {
        self.upstreams.iter().find(|stats| stats.name == name)
    }

    /// Returns a number drawn for the request. It is the same for all requests of a session, which keeps a session at the
    /// upstream that has its prompt cache.
    pub(crate) fn lot(&self) -> u64 {
        *self.lot.get_or_init(|| {
            let named = self
                .envelope
                .session
                .as_ref()
                .or(self.envelope.correlation_id.as_ref());
            let name = named.map_or_else(|| Cow::Owned(self.request.id()), Cow::Borrowed);
            let (offset, prime) = FNV;
            let hash = name.bytes().fold(offset, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(prime)
            });
            // The low bits of FNV are close together for similar names, so fold the high ones in.
            (hash ^ (hash >> 32)).wrapping_mul(prime) >> 16
        })
    }
}
