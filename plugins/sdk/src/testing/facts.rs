//! The facts of a made-up call.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::grants::{Body, Grants};
use super::request::{Caller, Head};
use crate::request::{self, Destination, Routing, UpstreamStats};
use crate::types::{Attribute, Endpoint, Envelope, Field, Plan, Value, attribute};

/// The facts of a made-up call, with the methods of the host's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(super) id: String,
    pub(super) endpoint: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<Attribute>,
    pub(super) caller: Caller,
    pub(super) head: Head,
    pub(super) tools: Vec<String>,
    pub(super) members: Vec<Attribute>,
    pub(super) body: Vec<u8>,
    pub(super) grants: Grants,
    pub(super) context: Envelope,
    pub(super) upstreams: Vec<(String, UpstreamStats, Vec<Attribute>)>,
    pub(super) plan: Option<Plan>,
    /// Tables by name, each with its entries.
    pub(super) tables: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) receipts: Vec<Vec<Field>>,
    pub(super) call: PhantomData<&'a ()>,
}

type Pairs<'a> = Vec<(&'a str, &'a str)>;

fn pairs(attributes: &[Attribute]) -> Pairs<'_> {
    let borrowed = attributes.iter().map(|(name, value)| (&**name, &**value));
    borrowed.collect()
}

// === impl Facts ===

impl Facts<'_> {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.endpoint)
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.grants.header(name);
        attribute(&self.headers, &name.to_ascii_lowercase())
    }

    pub(crate) fn headers(&self, prefix: &str) -> Pairs<'_> {
        self.grants.headers(prefix);
        let mut headers = pairs(&self.headers);
        headers.retain(|(name, _)| name.starts_with(prefix));
        headers
    }

    pub(crate) fn granted_headers(&self) -> Pairs<'_> {
        let mut headers = pairs(&self.headers);
        headers.retain(|(name, _)| self.grants.has_header(name));
        headers
    }

    pub(crate) fn head(&self) -> request::Head<'_> {
        self.grants.body("head", Body::Head);
        request::Head {
            model: self.head.model.as_deref(),
            stream: self.head.stream,
            max_tokens: self.head.max_tokens,
            message_count: self.head.message_count,
            tool_count: self.head.tool_count,
            body_bytes: self.head.body_bytes,
            prompt_tokens: self.head.prompt_tokens,
        }
    }

    pub(crate) fn user_id(&self) -> Option<&str> {
        self.grants.body("user-id", Body::Head);
        self.head.user_id.as_deref()
    }

    pub(crate) fn head_attributes(&self) -> Pairs<'_> {
        self.grants.body("head-attributes", Body::Head);
        pairs(&self.head.attributes)
    }

    pub(crate) fn tools(&self) -> Vec<&str> {
        self.grants.body("tools", Body::Head);
        self.tools.iter().map(String::as_str).collect()
    }

    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        self.grants.body("member", Body::Read);
        attribute(&self.members, name)
    }

    pub(crate) fn body_read(&self, offset: u64, len: u32) -> Vec<u8> {
        self.grants.body("body-read", Body::Read);
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.body.get(offset..));
        let bytes = rest.unwrap_or_default().iter().copied();
        bytes
            .take(usize::try_from(len).unwrap_or(usize::MAX))
            .collect()
    }

    pub(crate) fn key_id(&self) -> &str {
        &self.caller.key_id
    }

    pub(crate) fn caller_tenant(&self) -> Option<&str> {
        self.caller.tenant.as_deref()
    }

    pub(crate) fn caller_user(&self) -> Option<&str> {
        self.caller.user.as_deref()
    }

    pub(crate) fn tier(&self) -> Option<&str> {
        self.caller.tier.as_deref()
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        attribute(&self.caller.labels, name)
    }

    pub(crate) fn labels(&self) -> Pairs<'_> {
        pairs(&self.caller.labels)
    }

    pub(crate) fn correlation_id(&self) -> &str {
        self.context.correlation_id.as_deref().unwrap_or(&self.id)
    }

    pub(crate) fn resource(&self) -> Option<&str> {
        self.context.resource.as_deref()
    }

    pub(crate) fn tenant(&self) -> Option<&str> {
        self.context.tenant.as_deref().or(self.caller_tenant())
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.context.user.as_deref().or(self.caller_user())
    }

    pub(crate) fn session(&self) -> Option<&str> {
        self.context.session.as_deref()
    }

    pub(crate) fn agent(&self) -> Option<&str> {
        self.context.agent.as_deref()
    }

    pub(crate) fn metadata(&self, name: &str) -> Option<&str> {
        attribute(&self.context.metadata, name)
    }

    pub(crate) fn all_metadata(&self) -> Pairs<'_> {
        pairs(&self.context.metadata)
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.context.attributes, name)
    }

    pub(crate) fn attributes(&self) -> Pairs<'_> {
        pairs(&self.context.attributes)
    }

    pub(crate) fn timeout_ms(&self) -> Option<u32> {
        self.context.timeout_ms
    }

    pub(crate) fn secondary_index(&self) -> Option<u32> {
        self.context.secondary_index
    }

    pub(crate) fn routing(&self) -> Routing<'_> {
        Routing {
            resource: self.resource(),
            secondary_index: self.secondary_index(),
            has_attributes: !self.attributes().is_empty(),
        }
    }

    pub(crate) fn upstream_names(&self) -> Vec<&str> {
        self.upstreams.iter().map(|(name, ..)| &**name).collect()
    }

    pub(crate) fn upstream_stats(&self, name: &str) -> Option<UpstreamStats> {
        let found = self.upstreams.iter().find(|(known, ..)| known == name);
        found.map(|(_, stats, _)| *stats)
    }

    pub(crate) fn upstream_attributes(&self, name: &str) -> Pairs<'_> {
        let found = self.upstreams.iter().find(|(known, ..)| known == name);
        found.map_or_else(Vec::new, |(.., attributes)| pairs(attributes))
    }

    pub(crate) fn planned_rule(&self) -> Option<&str> {
        self.plan.as_ref()?.rule.as_deref()
    }

    pub(crate) fn planned_target(&self, index: u32) -> Option<Destination<'_>> {
        let target = self
            .plan
            .as_ref()?
            .targets
            .get(usize::try_from(index).ok()?)?;
        Some(Destination {
            upstream: &target.upstream,
            model: target.model.as_deref(),
        })
    }

    /// Sets the entries of a table.
    pub(super) fn set_table(&mut self, name: &str, entries: &[(&str, &str)]) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let entries = entries.iter().map(owned).collect();
        self.tables.insert(name.to_owned(), entries);
    }

    pub(crate) fn table_get(&self, table: &str, key: &str) -> Option<&str> {
        let entries = self.tables.get(table);
        self.grants.table(table, entries.is_some());
        entries?.get(key).map(String::as_str)
    }

    pub(crate) fn table_age(&self, table: &str) -> Option<u64> {
        let read = self.tables.contains_key(table);
        self.grants.table(table, read);
        read.then_some(0)
    }

    pub(crate) fn receipt_field(&self, receipt: u32, name: &str) -> Option<Value> {
        let fields = self.receipts.get(usize::try_from(receipt).ok()?)?;
        let found = fields.iter().find(|field| field.name == name);
        found.map(|field| field.value.clone())
    }

    pub(crate) fn receipt_fields(&self, receipt: u32) -> Vec<Field> {
        let fields = usize::try_from(receipt)
            .ok()
            .and_then(|receipt| self.receipts.get(receipt));
        fields.cloned().unwrap_or_default()
    }
}
