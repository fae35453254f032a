//! The facts of a call as the host tells them. Texts are borrowed from the memory of the call.

use std::marker::PhantomData;

use crate::bindings::witgate::plugin::{
    caller, context, planned, receipts, request, tables, upstreams,
};
use crate::call_memory::{CallMemory, keep, lend};
use crate::request::{Destination, Head, Routing, UpstreamStats};
use crate::types::{Attribute, Endpoint, Field, Value};

/// The facts of the running call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a>(PhantomData<&'a CallMemory>);

type Text<'a> = Option<&'a str>;
type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// Asks for a text. A pointer to the import, because code for each import would be a tenth of a component.
#[inline(never)]
fn text<'a>(ask: fn() -> String) -> &'a str {
    keep(lend(ask))
}

#[inline(never)]
fn optional<'a>(ask: fn() -> Option<String>) -> Text<'a> {
    lend(ask).map(|text| keep(text))
}

/// Asks for a text that has a name.
#[inline(never)]
fn named<'a>(ask: fn(&str) -> Option<String>, name: &str) -> Text<'a> {
    lend(|| ask(name)).map(|text| keep(text))
}

#[inline(never)]
fn pairs<'a>(ask: &dyn Fn() -> Option<Vec<Attribute>>) -> Pairs<'a> {
    let lent = lend(ask).unwrap_or_default();
    let borrowed = |(name, value): Attribute| (keep(name), keep(value));
    own(lent, borrowed)
}

/// Moves a list out of the memory of the call. Collecting it could reuse its memory, which a plugin might then keep.
fn own<T, U>(lent: Vec<T>, each: impl Fn(T) -> U) -> Vec<U> {
    let mut own = Vec::with_capacity(lent.len());
    own.extend(lent.into_iter().map(each));
    own
}

// === impl Facts ===

impl<'a> Facts<'a> {
    pub(crate) fn of(_: &'a CallMemory) -> Self {
        Self(PhantomData)
    }

    pub(crate) fn id(&self) -> &'a str {
        text(request::id)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match lend(request::endpoint) {
            // The copy is the plugin's own.
            Endpoint::Other(code) => Endpoint::Other(code.as_str().to_owned()),
            known => known,
        }
    }

    pub(crate) fn method(&self) -> &'a str {
        text(request::method)
    }

    pub(crate) fn path(&self) -> &'a str {
        text(request::path)
    }

    pub(crate) fn header(&self, name: &str) -> Text<'a> {
        named(request::header, name)
    }

    pub(crate) fn headers(&self, prefix: &str) -> Pairs<'a> {
        pairs(&|| request::headers(prefix))
    }

    pub(crate) fn granted_headers(&self) -> Pairs<'a> {
        pairs(&request::granted_headers)
    }

    pub(crate) fn head(&self) -> Head<'a> {
        let scan = lend(request::head);
        Head {
            model: scan.model.map(|model| keep(model)),
            stream: scan.stream,
            max_tokens: scan.max_tokens,
            message_count: scan.message_count,
            tool_count: scan.tool_count,
            body_bytes: scan.body_bytes,
            prompt_tokens: scan.prompt_tokens,
        }
    }

    pub(crate) fn user_id(&self) -> Text<'a> {
        optional(request::user_id)
    }

    pub(crate) fn head_attributes(&self) -> Pairs<'a> {
        pairs(&request::head_attributes)
    }

    pub(crate) fn tools(&self) -> Vec<&'a str> {
        let lent = lend(request::tools).unwrap_or_default();
        own(lent, |name| keep(name))
    }

    pub(crate) fn member(&self, name: &str) -> Text<'a> {
        named(request::member, name)
    }

    pub(crate) fn body_read(&self, offset: u64, len: u32) -> Vec<u8> {
        request::body_read(offset, len)
    }

    pub(crate) fn key_id(&self) -> &'a str {
        text(caller::key_id)
    }

    pub(crate) fn caller_tenant(&self) -> Text<'a> {
        optional(caller::tenant)
    }

    pub(crate) fn caller_user(&self) -> Text<'a> {
        optional(caller::user)
    }

    pub(crate) fn tier(&self) -> Text<'a> {
        optional(caller::tier)
    }

    pub(crate) fn label(&self, name: &str) -> Text<'a> {
        named(caller::label, name)
    }

    pub(crate) fn labels(&self) -> Pairs<'a> {
        pairs(&caller::labels)
    }

    pub(crate) fn correlation_id(&self) -> &'a str {
        text(context::correlation_id)
    }

    pub(crate) fn resource(&self) -> Text<'a> {
        optional(context::resource)
    }

    pub(crate) fn tenant(&self) -> Text<'a> {
        optional(context::tenant)
    }

    pub(crate) fn user(&self) -> Text<'a> {
        optional(context::user)
    }

    pub(crate) fn session(&self) -> Text<'a> {
        optional(context::session)
    }

    pub(crate) fn agent(&self) -> Text<'a> {
        optional(context::agent)
    }

    pub(crate) fn metadata(&self, name: &str) -> Text<'a> {
        named(context::metadata, name)
    }

    pub(crate) fn all_metadata(&self) -> Pairs<'a> {
        pairs(&context::all_metadata)
    }

    pub(crate) fn attribute(&self, name: &str) -> Text<'a> {
        named(context::get_attribute, name)
    }

    pub(crate) fn attributes(&self) -> Pairs<'a> {
        pairs(&context::attributes)
    }

    pub(crate) fn timeout_ms(&self) -> Option<u32> {
        context::timeout_ms()
    }

    pub(crate) fn secondary_index(&self) -> Option<u32> {
        context::secondary_index()
    }

    pub(crate) fn routing(&self) -> Routing<'a> {
        let routing = lend(context::routing);
        Routing {
            resource: routing.resource.map(|resource| keep(resource)),
            secondary_index: routing.secondary_index,
            has_attributes: routing.has_attributes,
        }
    }

    pub(crate) fn upstream_names(&self) -> Vec<&'a str> {
        own(lend(upstreams::names), |name| keep(name))
    }

    pub(crate) fn upstream_stats(&self, name: &str) -> Option<UpstreamStats> {
        upstreams::stats(name).map(|stats| UpstreamStats {
            in_flight: stats.in_flight,
            requests: stats.requests,
            errors: stats.errors,
        })
    }

    pub(crate) fn upstream_attributes(&self, name: &str) -> Pairs<'a> {
        pairs(&|| upstreams::attributes(name))
    }

    pub(crate) fn planned_rule(&self) -> Text<'a> {
        optional(planned::rule)
    }

    pub(crate) fn planned_target(&self, index: u32) -> Option<Destination<'a>> {
        lend(|| planned::target(index)).map(|target| Destination {
            upstream: keep(target.upstream),
            model: target.model.map(|model| keep(model)),
        })
    }

    pub(crate) fn table_get(&self, table: &str, key: &str) -> Text<'a> {
        lend(|| tables::get(table, key)).map(|value| keep(value))
    }

    pub(crate) fn table_age(&self, table: &str) -> Option<u64> {
        tables::age(table)
    }

    pub(crate) fn receipt_field(&self, receipt: u32, name: &str) -> Option<Value> {
        receipts::get_field(receipt, name)
    }

    pub(crate) fn receipt_fields(&self, receipt: u32) -> Vec<Field> {
        receipts::fields(receipt)
    }
}
