//! The guest's imports of the request. Reading a part without its grant is a breach, never an empty answer.

use std::borrow::Cow;

use wasmtime::Result;

use super::tally::{attribute_bytes, filled};
use super::{Breach, Guest, Lent, optional_bytes};
use crate::contract::{Attribute, Endpoint, request, v0_2};
use crate::grants::BodyGrant;

/// The bytes that a list element takes in addition to its text.
const ELEMENT_BYTES: usize = 16;

// === impl Guest ===

#[allow(
    clippy::needless_pass_by_value,
    reason = "the linker lifts arguments for the callee to have"
)]
impl Guest {
    pub(crate) fn id(&mut self) -> Result<String> {
        let Lent { request, tally, .. } = self.request(0)?;
        tally.text(request.id())
    }

    pub(crate) fn endpoint_code(&mut self) -> Result<String> {
        let Lent { request, tally, .. } = self.request(0)?;
        tally.text(request.endpoint())
    }

    pub(crate) fn endpoint(&mut self) -> Result<Endpoint> {
        let Lent { request, tally, .. } = self.request(0)?;
        let endpoint = Endpoint::of(request.endpoint());
        if let Endpoint::Other(code) = &endpoint {
            tally.copy(code.len())?;
        }
        Ok(endpoint)
    }

    pub(crate) fn method(&mut self) -> Result<String> {
        let Lent { request, tally, .. } = self.request(0)?;
        tally.text(request.method())
    }

    pub(crate) fn path(&mut self) -> Result<String> {
        let Lent { request, tally, .. } = self.request(0)?;
        tally.text(request.path())
    }

    pub(crate) fn header(&mut self, name: String) -> Result<Option<String>> {
        let mut lent = self.request(name.len())?;
        if !lent.spec.grants.has_header(&name) {
            let secret = &lent.spec.secret_headers;
            let is_secret = secret
                .iter()
                .any(|secret| secret.eq_ignore_ascii_case(&name));
            lent.tally.missing_grant(match is_secret {
                true => Breach::Credential(name.clone()),
                false => Breach::Header(name.clone()),
            })?;
        }
        let value = lent.request.header(&name);
        lent.fit(&name, value.map_or(0, str::len))?;
        lent.tally.optional_text(value)
    }

    pub(crate) fn headers(&mut self, prefix: String) -> Result<Option<Vec<Attribute>>> {
        self.all_headers(prefix).map(filled)
    }

    pub(crate) fn all_headers(&mut self, prefix: String) -> Result<Vec<Attribute>> {
        let mut lent = self.request(prefix.len())?;
        if !lent.spec.grants.has_headers(&prefix) {
            let breach = Breach::Header(format!("{prefix}*"));
            lent.tally.missing_grant(breach)?;
        }
        let headers = lent.request.headers(&prefix);
        lent.copy(&prefix, attribute_bytes(&headers))?;
        Ok(headers)
    }

    pub(crate) fn granted_headers(&mut self) -> Result<Option<Vec<Attribute>>> {
        let mut lent = self.request(0)?;
        let grants = &lent.spec.grants;
        let headers = lent.request.headers_like(&|name| grants.has_header(name));
        lent.copy("granted headers", attribute_bytes(&headers))?;
        Ok(filled(headers))
    }

    pub(crate) fn head(&mut self) -> Result<request::Scan> {
        self.body(BodyGrant::Head, "head", 0)?.scan()
    }

    pub(crate) fn user_id(&mut self) -> Result<Option<String>> {
        self.body(BodyGrant::Head, "user-id", 0)?.user_id()
    }

    pub(crate) fn head_attributes(&mut self) -> Result<Option<Vec<Attribute>>> {
        let mut lent = self.body(BodyGrant::Head, "head-attributes", 0)?;
        lent.head_attributes().map(filled)
    }

    /// Returns the whole scan, as version 0.2 has it.
    pub(crate) fn whole_head(&mut self) -> Result<v0_2::OldHead> {
        let mut lent = self.body(BodyGrant::Head, "head", 0)?;
        let head = lent.scan()?;
        let user_id = lent.user_id()?;
        let attributes = lent.head_attributes()?;
        Ok(v0_2::old_head(head, user_id, attributes))
    }

    pub(crate) fn tools(&mut self) -> Result<Option<Vec<String>>> {
        self.all_tools().map(filled)
    }

    pub(crate) fn all_tools(&mut self) -> Result<Vec<String>> {
        let mut lent = self.body(BodyGrant::Head, "tools", 0)?;
        let tools = lent.request.tools();
        // Many short names cost memory and time, too.
        let bytes = tools.iter().map(|name| name.len() + ELEMENT_BYTES).sum();
        lent.copy("tools", bytes)?;
        Ok(tools)
    }

    pub(crate) fn member(&mut self, name: String) -> Result<Option<String>> {
        let mut lent = self.body(BodyGrant::Read, "member", name.len())?;
        let member = lent.request.member(&name);
        let bytes = member.map_or(0, str::len);
        let limit = lent.tally.limits().body_bytes;
        lent.tally.fit(&name, bytes, limit)?;
        lent.lend(&name, bytes)?;
        let read = lent.tally.body_read().saturating_add(bytes);
        lent.fit_together("members of the body together", read, limit)?;
        lent.tally.read(bytes)?;
        lent.tally.optional_text(member)
    }

    pub(crate) fn body_read(&mut self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let Lent { request, tally, .. } = self.body(BodyGrant::Read, "body-read", 0)?;
        let body = request.body();
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(body.len());
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let part = body.get(start..start.saturating_add(len).min(body.len()));
        let part = part.unwrap_or_default();
        tally.read(part.len())?;
        tally.copy(part.len())?;
        Ok(part.to_vec())
    }

    /// Returns the request of this call.
    fn request(&mut self, bytes: usize) -> Result<Lent<'_>> {
        self.lent("request", bytes)
    }

    /// Returns the request of this call, for reading a part of its body.
    fn body(&mut self, needed: BodyGrant, asked: &'static str, bytes: usize) -> Result<Lent<'_>> {
        let lent = self.request(bytes)?;
        if lent.spec.grants.body < needed {
            lent.tally
                .missing_grant(Breach::BodyGrant { asked, needed })?;
        }
        Ok(lent)
    }
}

// === impl Lent ===

impl Lent<'_> {
    fn scan(&mut self) -> Result<request::Scan> {
        let head = self.request.head();
        let bytes = optional_bytes(&[&head.model]);
        self.lend("model", bytes)?;
        self.tally.copy(bytes)?;
        Ok(request::Scan {
            model: head.model,
            stream: head.stream,
            max_tokens: head.max_tokens,
            message_count: head.message_count,
            tool_count: head.tool_count,
            body_bytes: head.body_bytes,
            prompt_tokens: head.prompt_tokens,
        })
    }

    fn user_id(&mut self) -> Result<Option<String>> {
        let user_id = self.request.user_id();
        let bytes = user_id.as_ref().map_or(0, |id| id.len());
        self.lend("metadata.user_id", bytes)?;
        self.tally.copy(bytes)?;
        Ok(user_id.map(Cow::into_owned))
    }

    fn head_attributes(&mut self) -> Result<Vec<Attribute>> {
        let attributes = self.request.head_attributes();
        let bytes = attribute_bytes(&attributes);
        self.copy("models and members of the body", bytes)?;
        Ok(attributes)
    }

    /// Counts a value of the request that is about to be copied.
    fn copy(&mut self, what: &str, bytes: usize) -> Result<()> {
        self.fit(what, bytes)?;
        self.tally.copy(bytes)
    }

    /// Refuses a value of the request that alone is larger than the plugin may copy.
    fn fit(&mut self, what: &str, bytes: usize) -> Result<()> {
        let limit = self.tally.limits().copy_bytes;
        self.tally.fit(what, bytes, limit)
    }

    /// Counts a named part of the body before it is copied. If all parts together exceed the limit and are no larger than
    /// the body, the plugin may have read each of them once: then the request is too large, and the plugin not to blame.
    fn lend(&mut self, what: &str, bytes: usize) -> Result<()> {
        const TOGETHER: &str = "the parts of the body together";
        self.fit(what, bytes)?;
        let all = self.tally.lend(bytes);
        let limit = self.tally.limits().copy_bytes;
        self.fit_together(TOGETHER, all, limit)
    }

    /// Refuses parts of the body that together are larger than `limit`, but not larger than the body. Asks for the body's
    /// length only if it needs it, because the embedder may have to assemble the body first.
    fn fit_together(&mut self, what: &str, bytes: usize, limit: usize) -> Result<()> {
        if bytes <= limit || bytes > self.request.body().len() {
            return Ok(());
        }
        self.tally.fit(what, bytes, limit)
    }
}
