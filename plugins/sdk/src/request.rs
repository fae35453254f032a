//! The request as hooks see it: the host's in a component, and a made-up one in native tests.

use crate::bindings::witgate::plugin::types as wit;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::Fake;
use crate::types::{Attribute, Caller, Head};

/// The request of a hook call. Each method calls the host and copies the result, so call it once and keep the value.
///
/// A method that the sidecar's `[grants]` do not allow ends the call as a fault, which names the line to add. Native tests
/// grant everything, unless they set a sidecar with `RequestBuilder::sidecar`.
#[derive(Debug)]
pub struct Request<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Host(&'a wit::Request),
    #[cfg(not(target_arch = "wasm32"))]
    Fake(Box<Fake>),
}

/// Calls a method of the host's request or of the made-up one.
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

    /// Returns the host's id of the request, which is also on the receipt.
    #[must_use]
    pub fn id(&self) -> String {
        ask!(self.id())
    }

    /// Returns the requested operation: `messages`, `count-tokens`, `models` and others. Expect new ones.
    #[must_use]
    pub fn endpoint(&self) -> String {
        ask!(self.endpoint())
    }

    /// Returns the HTTP method in uppercase.
    #[must_use]
    pub fn method(&self) -> String {
        ask!(self.method())
    }

    /// Returns the path and query as received.
    #[must_use]
    pub fn path(&self) -> String {
        ask!(self.path())
    }

    /// Returns the first value of a header, whose name may be in any case. Returns `None` if the header is absent, not text,
    /// or a credential. Needs the grant `headers = ["NAME"]`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        ask!(self.header(name))
    }

    /// Returns all headers whose lowercase name starts with `prefix`, in order of arrival, without credentials.
    /// Needs the grant `headers = ["PREFIX*"]`, or one of a shorter prefix.
    #[must_use]
    pub fn headers(&self, prefix: &str) -> Vec<Attribute> {
        ask!(self.headers(prefix))
    }

    /// Returns the authenticated caller.
    #[must_use]
    pub fn caller(&self) -> Caller {
        ask!(self.caller())
    }

    /// Returns the host's scan of the body. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn head(&self) -> Head {
        ask!(self.head())
    }

    /// Returns the names of the declared tools, in order. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn tools(&self) -> Vec<String> {
        ask!(self.tools())
    }

    /// Returns the raw JSON text of a top-level member of the body, or `None` if it is absent. Needs the grant `body = "read"`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<String> {
        ask!(self.member(name))
    }

    /// Returns up to `len` bytes of the body from `offset` on: fewer at its end, and an empty list past it. The bytes count
    /// against the plugin's copy limit. Needs the grant `body = "read"`.
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
