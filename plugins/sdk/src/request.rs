//! The facts of a call as hooks see them: the host's in a component, and made-up ones in native tests.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::host::Facts;
use crate::tables::Lookup;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::Facts;
use crate::types::Endpoint;

/// The request of a hook call.
///
/// Each method asks the host and costs about a tenth of a microsecond, so call it once and keep the value. Texts are borrowed
/// from the memory of the call.
///
/// A method that the sidecar's `[grants]` do not allow, or that the hook does not have, ends the call as a fault, which names
/// the cure. Native tests grant everything, unless they set a sidecar with `RequestBuilder::sidecar`.
#[derive(Debug)]
pub struct Request<'a>(pub(crate) Facts<'a>);

/// The host's scan of the top level of the request body. The host validates nothing beyond the types; the upstream judges the
/// request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// The `model` member.
    pub model: Option<&'a str>,
    /// `true` if the `stream` member is.
    pub stream: bool,
    /// The `max_tokens` member.
    pub max_tokens: Option<u64>,
    /// Number of elements of `messages`.
    pub message_count: u32,
    /// Number of elements of `tools`.
    pub tool_count: u32,
    /// Length of the body in bytes.
    pub body_bytes: u64,
    /// The host's estimate of the prompt's size in tokens.
    pub prompt_tokens: u64,
}

/// The authenticated caller. Credentials are never visible to a plugin.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a>(&'a Facts<'a>);

/// The context of a request: what the envelope hooks found out, on top of what the host knows. Hooks after `envelope` have it.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a>(&'a Facts<'a>);

/// The facts of the context that nearly every routing decision needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Routing<'a> {
    /// Logical model for routing, if an envelope hook named one.
    pub resource: Option<&'a str>,
    /// Index of the resource's secondary target that should be tried first, counted from 0.
    pub secondary_index: Option<u32>,
    /// `true` if there are further facts under open names.
    pub has_attributes: bool,
}

/// The host's upstreams and their state over the last minute. The route hook has them.
#[derive(Debug, Clone, Copy)]
pub struct Upstreams<'a>(&'a Facts<'a>);

/// The state of an upstream over the last minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpstreamStats {
    /// Number of requests in progress.
    pub in_flight: u32,
    /// Number of requests that ended.
    pub requests: u64,
    /// Number of these that failed by the upstream's fault.
    pub errors: u64,
}

/// The plan of a request. The budget hook has it.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a>(&'a Facts<'a>);

/// A target of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// Name of the upstream.
    pub upstream: &'a str,
    /// Model that it is asked for, or `None` for the request's own.
    pub model: Option<&'a str>,
}

// === impl Request ===

impl Request<'_> {
    /// Returns the host's id of the request, which is also on the receipt.
    #[must_use]
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// Returns the requested operation. Expect new ones.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.0.endpoint()
    }

    /// Returns the HTTP method in uppercase.
    #[must_use]
    pub fn method(&self) -> &str {
        self.0.method()
    }

    /// Returns the path and query as received.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Returns the first value of a header, whose name may be in any case. Returns `None` if the header is absent, not text,
    /// or a credential. Needs the grant `headers = ["NAME"]`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    /// Returns all headers whose lowercase name starts with `prefix`, in order of arrival, without credentials.
    /// Needs the grant `headers = ["PREFIX*"]`, or one of a shorter prefix.
    #[must_use]
    pub fn headers(&self, prefix: &str) -> Vec<(&str, &str)> {
        self.0.headers(prefix)
    }

    /// Returns all headers that the sidecar grants, in order of arrival and with lowercase names. One question for many headers
    /// costs less than one for each.
    #[must_use]
    pub fn granted_headers(&self) -> Vec<(&str, &str)> {
        self.0.granted_headers()
    }

    /// Returns the host's scan of the body. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn head(&self) -> Head<'_> {
        self.0.head()
    }

    /// Returns `metadata.user_id`, unescaped. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.0.user_id()
    }

    /// Returns further facts of the scan under open names. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn head_attributes(&self) -> Vec<(&str, &str)> {
        self.0.head_attributes()
    }

    /// Returns the names of the declared tools, in order. Needs the grant `body = "head"`, which is the default.
    #[must_use]
    pub fn tools(&self) -> Vec<&str> {
        self.0.tools()
    }

    /// Returns the raw JSON text of a top-level member of the body, or `None` if it is absent. Needs the grant `body = "read"`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.0.member(name)
    }

    /// Returns up to `len` bytes of the body from `offset` on: fewer at its end, and an empty list past it. The bytes count
    /// against the plugin's copy limit. Needs the grant `body = "read"`.
    #[must_use]
    pub fn body_read(&self, offset: u64, len: u32) -> Vec<u8> {
        self.0.body_read(offset, len)
    }

    /// Returns a table that the sidecar declares.
    #[must_use]
    pub fn table<'t>(&'t self, name: &'t str) -> Lookup<'t> {
        Lookup {
            facts: &self.0,
            name,
        }
    }

    /// Returns the authenticated caller.
    #[must_use]
    pub fn caller(&self) -> Caller<'_> {
        Caller(&self.0)
    }

    /// Returns the context, which hooks after `envelope` have.
    #[must_use]
    pub fn context(&self) -> Context<'_> {
        Context(&self.0)
    }

    /// Returns the upstreams, which the route hook has.
    #[must_use]
    pub fn upstreams(&self) -> Upstreams<'_> {
        Upstreams(&self.0)
    }

    /// Returns the plan, which the budget hook has.
    #[must_use]
    pub fn planned(&self) -> Planned<'_> {
        Planned(&self.0)
    }
}

// === impl Caller ===

impl<'a> Caller<'a> {
    /// Returns the public id of the virtual key. Never the key itself.
    #[must_use]
    pub fn key_id(&self) -> &'a str {
        self.0.key_id()
    }

    /// Returns the tenant that owns the key.
    #[must_use]
    pub fn tenant(&self) -> Option<&'a str> {
        self.0.caller_tenant()
    }

    /// Returns the person or service that uses the key.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        self.0.caller_user()
    }

    /// Returns the tier of the key.
    #[must_use]
    pub fn tier(&self) -> Option<&'a str> {
        self.0.tier()
    }

    /// Returns the value of a label of the key.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&'a str> {
        self.0.label(name)
    }

    /// Returns all labels of the key, in the order of the keys file.
    #[must_use]
    pub fn labels(&self) -> Vec<(&'a str, &'a str)> {
        self.0.labels()
    }
}

// === impl Context ===

impl<'a> Context<'a> {
    /// Returns the id that the caller gave to the request, or the host's.
    #[must_use]
    pub fn correlation_id(&self) -> &'a str {
        self.0.correlation_id()
    }

    /// Returns the logical model for routing, if an envelope hook named one.
    #[must_use]
    pub fn resource(&self) -> Option<&'a str> {
        self.0.resource()
    }

    /// Returns the tenant that the request is for: the envelope's, or the key's.
    #[must_use]
    pub fn tenant(&self) -> Option<&'a str> {
        self.0.tenant()
    }

    /// Returns the person or service that the request is for: the envelope's, or the key's.
    #[must_use]
    pub fn user(&self) -> Option<&'a str> {
        self.0.user()
    }

    /// Returns the session that the request belongs to.
    #[must_use]
    pub fn session(&self) -> Option<&'a str> {
        self.0.session()
    }

    /// Returns the agent within the session.
    #[must_use]
    pub fn agent(&self) -> Option<&'a str> {
        self.0.agent()
    }

    /// Returns a value of the metadata.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&'a str> {
        self.0.metadata(name)
    }

    /// Returns all metadata.
    #[must_use]
    pub fn all_metadata(&self) -> Vec<(&'a str, &'a str)> {
        self.0.all_metadata()
    }

    /// Returns the first further fact of a name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.0.attribute(name)
    }

    /// Returns all further facts.
    #[must_use]
    pub fn attributes(&self) -> Vec<(&'a str, &'a str)> {
        self.0.attributes()
    }

    /// Returns the timeout of an attempt, in milliseconds.
    #[must_use]
    pub fn timeout_ms(&self) -> Option<u32> {
        self.0.timeout_ms()
    }

    /// Returns the index of the resource's secondary target that should be tried first, counted from 0.
    #[must_use]
    pub fn secondary_index(&self) -> Option<u32> {
        self.0.secondary_index()
    }

    /// Returns the facts that nearly every routing decision needs, in one call of the host.
    #[must_use]
    pub fn routing(&self) -> Routing<'a> {
        self.0.routing()
    }
}

// === impl Upstreams ===

impl<'a> Upstreams<'a> {
    /// Returns the names of all upstreams, in the host's order.
    #[must_use]
    pub fn names(&self) -> Vec<&'a str> {
        self.0.upstream_names()
    }

    /// Returns the state of an upstream, or `None` if the host has no upstream of this name.
    #[must_use]
    pub fn stats(&self, name: &str) -> Option<UpstreamStats> {
        self.0.upstream_stats(name)
    }

    /// Returns further facts of an upstream under open names.
    #[must_use]
    pub fn attributes(&self, name: &str) -> Vec<(&'a str, &'a str)> {
        self.0.upstream_attributes(name)
    }
}

// === impl Planned ===

impl<'a> Planned<'a> {
    /// Returns the rule or resource that made the plan.
    #[must_use]
    pub fn rule(&self) -> Option<&'a str> {
        self.0.planned_rule()
    }

    /// Returns the target at an index, counted from 0 in order of preference, or `None` past the last one.
    #[must_use]
    pub fn target(&self, index: u32) -> Option<Destination<'a>> {
        self.0.planned_target(index)
    }
}
