//! The request as hooks see it: the host's in a component, a made-up one in native tests.

use crate::bindings::witgate::plugin::types as wit;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::Fake;
use crate::types::{Attribute, Caller, Head};

/// The request, for the length of one call. Each method is a call to the host and copies its answer: ask once, and
/// only for what is needed.
///
/// What the sidecar's `[grants]` do not name ends the call as a fault, whose text is the line to add. Native tests grant
/// everything, unless they name a sidecar with `RequestBuilder::sidecar`.
#[derive(Debug)]
pub struct Request<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Host(&'a wit::Request),
    #[cfg(not(target_arch = "wasm32"))]
    Fake(Box<Fake>),
}

/// The same call on whatever is behind the request.
macro_rules! ask {
    ($request:ident.$method:ident($($argument:expr),*)) => {
        match &$request.0 {
            Source::Host(request) => request.$method($($argument),*),
            #[cfg(not(target_arch = "wasm32"))]
            Source::Fake(request) => request.$method($($argument),*),
        }
    };
}

// === impl Request ===

impl<'a> Request<'a> {
    pub(crate) const fn of_host(request: &'a wit::Request) -> Self {
        Self(Source::Host(request))
    }

    /// The host's id of this request, as it stands on the receipt.
    #[must_use]
    pub fn id(&self) -> String {
        ask!(self.id())
    }

    /// The operation that is asked for, an open code: `messages`, `count-tokens`, `models`, …
    #[must_use]
    pub fn endpoint(&self) -> String {
        ask!(self.endpoint())
    }

    /// The method, in capitals.
    #[must_use]
    pub fn method(&self) -> String {
        ask!(self.method())
    }

    /// The path and query as received.
    #[must_use]
    pub fn path(&self) -> String {
        ask!(self.path())
    }

    /// The first value of a header, by its name in any case; none when it is absent, is not text, or is a credential.
    /// Needs the grant `headers = ["NAME"]`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        ask!(self.header(name))
    }

    /// All headers whose lower-case name starts with `prefix`, in order of arrival, credentials left out.
    /// Needs the grant `headers = ["PREFIX*"]`, or one of a shorter prefix.
    #[must_use]
    pub fn headers(&self, prefix: &str) -> Vec<Attribute> {
        ask!(self.headers(prefix))
    }

    /// The authenticated caller.
    #[must_use]
    pub fn caller(&self) -> Caller {
        ask!(self.caller())
    }

    /// The host's scan of the body. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn head(&self) -> Head {
        ask!(self.head())
    }

    /// Names of the declared tools, in order. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn tools(&self) -> Vec<String> {
        ask!(self.tools())
    }

    /// The raw JSON text of one top-level member of the body. Needs the grant `body = "read"`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<String> {
        ask!(self.member(name))
    }

    /// Up to `len` bytes of the body from `offset`; fewer at its end, none past it. Bytes count against the plugin's
    /// copy limit. Needs the grant `body = "read"`.
    #[must_use]
    pub fn body_read(&self, offset: u64, len: u32) -> Vec<u8> {
        ask!(self.body_read(offset, len))
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl From<Fake> for Request<'static> {
    fn from(fake: Fake) -> Self {
        Self(Source::Fake(Box::new(fake)))
    }
}
