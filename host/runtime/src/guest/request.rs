//! The guest's imports of the request. Reading a part without its grant is a breach, never an empty answer.

use std::borrow::Cow;
use std::sync::Arc;

use wasmtime::Result;

use super::{Breach, Guest, attribute_bytes, filled, optional_bytes};
use crate::contract::{Attribute, Endpoint, request, v0_2};
use crate::grants::BodyGrant;
use crate::request::Request;

/// The bytes that a list element takes in addition to its text.
const ELEMENT_BYTES: usize = 16;

// === impl Guest ===

#[allow(
    clippy::needless_pass_by_value,
    reason = "the linker lifts arguments for the callee to have"
)]
impl Guest {
    pub(crate) fn id(&mut self) -> Result<String> {
        let request = self.request(0)?;
        self.text(request.id())
    }

    pub(crate) fn endpoint_code(&mut self) -> Result<String> {
        let request = self.request(0)?;
        self.text(request.endpoint())
    }

    pub(crate) fn endpoint(&mut self) -> Result<Endpoint> {
        let request = self.request(0)?;
        let endpoint = Endpoint::of(request.endpoint());
        if let Endpoint::Other(code) = &endpoint {
            self.copy(code.len())?;
        }
        Ok(endpoint)
    }

    pub(crate) fn method(&mut self) -> Result<String> {
        let request = self.request(0)?;
        self.text(request.method())
    }

    pub(crate) fn path(&mut self) -> Result<String> {
        let request = self.request(0)?;
        self.text(request.path())
    }

    pub(crate) fn header(&mut self, name: String) -> Result<Option<String>> {
        let request = self.request(name.len())?;
        if !self.spec.grants.has_header(&name) {
            let secret = &self.spec.secret_headers;
            let is_secret = secret
                .iter()
                .any(|secret| secret.eq_ignore_ascii_case(&name));
            self.missing_grant(match is_secret {
                true => Breach::Credential(name.clone()),
                false => Breach::Header(name.clone()),
            })?;
        }
        let value = request.header(&name);
        self.fit(&name, value.map_or(0, str::len), self.limits.copy_bytes)?;
        self.optional_text(value)
    }

    pub(crate) fn headers(&mut self, prefix: String) -> Result<Option<Vec<Attribute>>> {
        self.all_headers(prefix).map(filled)
    }

    pub(crate) fn all_headers(&mut self, prefix: String) -> Result<Vec<Attribute>> {
        let request = self.request(prefix.len())?;
        if !self.spec.grants.has_headers(&prefix) {
            self.missing_grant(Breach::Header(format!("{prefix}*")))?;
        }
        let headers = request.headers(&prefix);
        let bytes = attribute_bytes(&headers);
        self.fit(&prefix, bytes, self.limits.copy_bytes)?;
        self.copy(bytes)?;
        Ok(headers)
    }

    pub(crate) fn granted_headers(&mut self) -> Result<Option<Vec<Attribute>>> {
        let request = self.request(0)?;
        let grants = &self.spec.grants;
        let headers = request.headers_like(&|name| grants.has_header(name));
        let bytes = attribute_bytes(&headers);
        self.fit("granted headers", bytes, self.limits.copy_bytes)?;
        self.copy(bytes)?;
        Ok(filled(headers))
    }

    pub(crate) fn head(&mut self) -> Result<request::Scan> {
        let request = self.body(BodyGrant::Head, "head", 0)?;
        self.scan_of(&*request)
    }

    fn scan_of(&mut self, request: &dyn Request) -> Result<request::Scan> {
        let head = request.head();
        let bytes = optional_bytes(&[&head.model]);
        self.lend("model", bytes)?;
        self.copy(bytes)?;
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

    pub(crate) fn user_id(&mut self) -> Result<Option<String>> {
        let request = self.body(BodyGrant::Head, "user-id", 0)?;
        self.user_id_of(&*request)
    }

    fn user_id_of(&mut self, request: &dyn Request) -> Result<Option<String>> {
        let user_id = request.user_id();
        let bytes = user_id.as_ref().map_or(0, |id| id.len());
        self.lend("metadata.user_id", bytes)?;
        self.copy(bytes)?;
        Ok(user_id.map(Cow::into_owned))
    }

    pub(crate) fn head_attributes(&mut self) -> Result<Option<Vec<Attribute>>> {
        let request = self.body(BodyGrant::Head, "head-attributes", 0)?;
        self.head_attributes_of(&*request).map(filled)
    }

    fn head_attributes_of(&mut self, request: &dyn Request) -> Result<Vec<Attribute>> {
        let attributes = request.head_attributes();
        let bytes = attribute_bytes(&attributes);
        self.fit(
            "models and members of the body",
            bytes,
            self.limits.copy_bytes,
        )?;
        self.copy(bytes)?;
        Ok(attributes)
    }

    /// Returns the whole scan, as version 0.2 has it.
    pub(crate) fn whole_head(&mut self) -> Result<v0_2::OldHead> {
        let request = self.body(BodyGrant::Head, "head", 0)?;
        let head = self.scan_of(&*request)?;
        let user_id = self.user_id_of(&*request)?;
        let attributes = self.head_attributes_of(&*request)?;
        Ok(v0_2::old_head(head, user_id, attributes))
    }

    pub(crate) fn tools(&mut self) -> Result<Option<Vec<String>>> {
        self.all_tools().map(filled)
    }

    pub(crate) fn all_tools(&mut self) -> Result<Vec<String>> {
        let tools = self.body(BodyGrant::Head, "tools", 0)?.tools();
        // Many short names cost memory and time, too.
        let bytes = tools.iter().map(|name| name.len() + ELEMENT_BYTES).sum();
        self.fit("tools", bytes, self.limits.copy_bytes)?;
        self.copy(bytes)?;
        Ok(tools)
    }

    pub(crate) fn member(&mut self, name: String) -> Result<Option<String>> {
        let request = self.body(BodyGrant::Read, "member", name.len())?;
        let member = request.member(&name);
        let bytes = member.map_or(0, str::len);
        self.fit(&name, bytes, self.limits.body_bytes)?;
        self.lend(&name, bytes)?;
        let read = self.body_read.saturating_add(bytes);
        let limit = self.limits.body_bytes;
        self.fit_together("members of the body together", read, limit)?;
        self.read(bytes)?;
        self.optional_text(member)
    }

    pub(crate) fn body_read(&mut self, offset: u64, len: u32) -> Result<Vec<u8>> {
        let request = self.body(BodyGrant::Read, "body-read", 0)?;
        let body = request.body();
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(body.len());
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let part = body.get(start..start.saturating_add(len).min(body.len()));
        let part = part.unwrap_or_default();
        self.read(part.len())?;
        self.copy(part.len())?;
        Ok(part.to_vec())
    }

    /// Returns the request of this call, for reading a part of its body.
    fn body(
        &mut self,
        needed: BodyGrant,
        asked: &'static str,
        bytes: usize,
    ) -> Result<Arc<dyn Request>> {
        let request = self.request(bytes)?;
        if self.spec.grants.body < needed {
            self.missing_grant(Breach::BodyGrant { asked, needed })?;
        }
        Ok(request)
    }

    /// Counts a named part of the body before it is copied. If all parts together exceed the limit and are no larger than
    /// the body, the plugin may have read each of them once: then the request is too large, and the plugin not to blame.
    fn lend(&mut self, what: &str, bytes: usize) -> Result<()> {
        const TOGETHER: &str = "the parts of the body together";
        let limit = self.limits.copy_bytes;
        self.fit(what, bytes, limit)?;
        self.lent = self.lent.saturating_add(bytes);
        self.fit_together(TOGETHER, self.lent, limit)
    }

    /// Refuses parts of the body that together are larger than `limit`, but not larger than the body. Asks for the body's
    /// length only if it needs it, because the embedder may have to assemble the body first.
    fn fit_together(&mut self, what: &str, bytes: usize, limit: usize) -> Result<()> {
        let all = || self.facts.request.as_ref().map_or(0, |it| it.body().len());
        if bytes <= limit || bytes > all() {
            return Ok(());
        }
        self.fit(what, bytes, limit)
    }

    /// Counts bytes of the body that the guest reads.
    fn read(&mut self, bytes: usize) -> Result<()> {
        self.body_read = self.body_read.saturating_add(bytes);
        if self.body_read > self.limits.body_bytes {
            return Err(self.breached(Breach::Body(self.limits.body_bytes)));
        }
        Ok(())
    }
}
