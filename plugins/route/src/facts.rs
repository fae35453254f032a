//! The facts that conditions test. What every decision needs is fetched at once, the rest at its first use.

use std::cell::{Cell, OnceCell};

use witgate_plugin::{Context, Head, Request, UpstreamStats, Upstreams};

/// A request with its context and the state of the upstreams.
pub(crate) struct Facts<'a> {
    request: &'a Request<'a>,
    head: Head<'a>,
    head_attributes: Vec<(&'a str, &'a str)>,
    tools: OnceCell<Vec<&'a str>>,
    lot: Cell<Option<u64>>,
}

/// The model that a rule is tested for.
#[derive(Clone, Copy)]
pub(crate) enum Model<'a> {
    /// The model that the request names.
    Asked,
    /// A model that the plan would send the request to.
    Planned(&'a str),
}

/// The requests that the settings may refuse for what their bodies say besides `model`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    /// None.
    Never,
    /// Some.
    Some,
}

/// Offset and prime of FNV-1a, 64 bit.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

// === impl Facts ===

impl<'a> Facts<'a> {
    /// Starts with the facts that every decision needs, and those that decisions to refuse need if `refuses` is set.
    pub(crate) fn new(request: &'a Request<'a>, refuses: Refuses) -> Self {
        let head_attributes = match refuses {
            Refuses::Some => request.head_attributes(),
            Refuses::Never => Vec::new(),
        };
        Self {
            request,
            head: request.head(),
            head_attributes,
            tools: OnceCell::new(),
            lot: Cell::new(None),
        }
    }

    pub(crate) fn request(&self) -> &'a Request<'a> {
        self.request
    }

    pub(crate) fn head(&self) -> &Head<'a> {
        &self.head
    }

    pub(crate) fn model(&self) -> Option<&'a str> {
        self.head.model
    }

    pub(crate) fn head_attributes(&self) -> &[(&'a str, &'a str)] {
        &self.head_attributes
    }

    pub(crate) fn tools(&self) -> &[&'a str] {
        self.tools.get_or_init(|| self.request.tools())
    }

    pub(crate) fn context(&self) -> Context<'a> {
        self.request.context()
    }

    pub(crate) fn upstreams(&self) -> Upstreams<'a> {
        self.request.upstreams()
    }

    pub(crate) fn upstream(&self, name: &str) -> Option<UpstreamStats> {
        self.upstreams().stats(name)
    }

    /// Returns a number drawn for the request. It is the same for all requests of a session, which keeps a session at the
    /// upstream that has its prompt cache.
    pub(crate) fn lot(&self) -> u64 {
        if let Some(lot) = self.lot.get() {
            return lot;
        }
        let context = self.context();
        let name = context
            .session()
            .unwrap_or_else(|| context.correlation_id());
        let (offset, prime) = FNV;
        let hash = name.bytes().fold(offset, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(prime)
        });
        // The low bits of FNV are close together for similar names, so fold the high ones in.
        let lot = (hash ^ (hash >> 32)).wrapping_mul(prime) >> 16;
        self.lot.set(Some(lot));
        lot
    }
}
