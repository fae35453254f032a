//! The request that the embedder lends to plugins.

mod plain;

pub use plain::{Body, BodyError, PlainRequest};

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::contract::{Attribute, Caller, Head};

/// A request, as plugins may read it.
///
/// A plugin asks for one fact at a time, and each question calls one of these methods during the guest call, on the thread that
/// called the hook and with the guest's deadline running. So a method must not block, must not call a hook, and should be cheap: return
/// what was parsed before. A panic in a method unwinds through the hook call to the embedder.
///
/// Results are copied into the guest and count against its copy limit. Plugins see whatever [`header`](Self::header) and
/// [`headers`](Self::headers) return, as far as their grants allow, so leave out credentials. Several plugins may read one
/// request, one after the other, and each should get the same answers.
pub trait Request: Send + Sync {
    /// Returns the embedder's id of the request.
    fn id(&self) -> &str;
    /// Returns the requested operation as an open code, such as `messages` or `count-tokens`.
    fn endpoint(&self) -> &str;
    /// Returns the method in uppercase.
    fn method(&self) -> &str;
    /// Returns the path and query, as received.
    fn path(&self) -> &str;
    /// Returns the first value of the header with this name in any case, or `None` if there is none, or if it is not text or a
    /// credential.
    fn header(&self, name: &str) -> Option<&str>;
    /// Returns all headers whose lowercase names start with `prefix`, in order of arrival and with lowercase names. Leaves out
    /// credentials and values that are not text.
    fn headers(&self, prefix: &str) -> Vec<(String, String)>;
    /// Returns the headers whose lowercase names `wanted` accepts, as [`headers`](Self::headers) does. By default it looks through
    /// all headers.
    fn headers_like(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
        let mut headers = self.headers("");
        headers.retain(|(name, _)| wanted(name));
        headers
    }
    /// Returns whether there is such a header.
    fn has_header_like(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        !self.headers_like(wanted).is_empty()
    }
    /// Returns the authenticated caller.
    fn caller(&self) -> &Caller;
    /// Returns a number that identifies the caller's tenant, or `None` if the embedder does not tell callers apart.
    ///
    /// Repeated faults at the requests of one tenant suspend a plugin for that tenant alone. All keys of a tenant should have
    /// the same number. With `None`, a plugin is suspended for all such callers together. The host asks for the tenant only
    /// after a fault. By default it is a hash of the caller's `tenant`, or of its `key_id` without one.
    fn tenant(&self) -> Option<u64> {
        tenant(self.caller())
    }
    /// Returns the scan of the body.
    fn head(&self) -> Head;
    /// Returns the `model` member of the body. The host compares it with the plugins' interests.
    fn model(&self) -> Option<Cow<'_, str>>;
    /// Returns whether the body may name models in other places than `model`. Hooks that are interested in some models only are
    /// called for such a request in any case. By default it does not.
    fn names_other_models(&self) -> bool {
        false
    }
    /// Returns `metadata.user_id` of the body, unescaped.
    fn user_id(&self) -> Option<Cow<'_, str>>;
    /// Returns further facts of the scan under open names. By default there are none.
    fn head_attributes(&self) -> Vec<Attribute> {
        Vec::new()
    }
    /// Returns the names of the declared tools, in order.
    fn tools(&self) -> Vec<String>;
    /// Returns a top-level member of the body, or `None` if there is none.
    ///
    /// The text is raw JSON, exactly as in the body: a string has its quotes and escapes.
    fn member(&self, name: &str) -> Option<&str>;
    /// Returns the body, as received.
    fn body(&self) -> &[u8];
}

/// Hashes the tenant of a caller, or its key without one. Returns `None` for a caller without either.
fn tenant(caller: &Caller) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match (&caller.tenant, caller.key_id.as_str()) {
        (Some(tenant), _) => ("tenant", tenant.as_str()).hash(&mut hasher),
        (None, "") => return None,
        (None, key) => ("key", key).hash(&mut hasher),
    }
    Some(hasher.finish())
}
