//! The guest's imports of the caller, the context and what else single hooks know.

#![allow(
    clippy::needless_pass_by_value,
    reason = "the linker lifts arguments for the callee to have"
)]

use std::sync::Arc;

use wasmtime::Result;

use super::{Breach, Guest, attribute_bytes, filled, optional_bytes};
use crate::contract::{
    Attribute, Envelope, Field, Plan, Receipt, Upstreams, Value, context, planned, upstreams, v0_2,
};
use crate::request::Request;

/// The bytes that a field takes in addition to its texts.
const FIELD_BYTES: usize = 16;

// === impl Guest: caller ===

impl Guest {
    pub(crate) fn key_id(&mut self) -> Result<String> {
        let request = self.lent("caller", 0)?;
        self.text(&request.caller().key_id)
    }

    pub(crate) fn caller_tenant(&mut self) -> Result<Option<String>> {
        let request = self.lent("caller", 0)?;
        self.optional_text(request.caller().tenant.as_deref())
    }

    pub(crate) fn caller_user(&mut self) -> Result<Option<String>> {
        let request = self.lent("caller", 0)?;
        self.optional_text(request.caller().user.as_deref())
    }

    pub(crate) fn tier(&mut self) -> Result<Option<String>> {
        let request = self.lent("caller", 0)?;
        self.optional_text(request.caller().tier.as_deref())
    }

    pub(crate) fn label(&mut self, name: String) -> Result<Option<String>> {
        let request = self.lent("caller", name.len())?;
        self.optional_text(value(&request.caller().labels, &name))
    }

    pub(crate) fn labels(&mut self) -> Result<Option<Vec<Attribute>>> {
        let request = self.lent("caller", 0)?;
        self.pairs(&request.caller().labels)
    }

    /// Returns the whole caller, as version 0.2 has it.
    pub(crate) fn whole_caller(&mut self) -> Result<v0_2::OldCaller> {
        let request = self.request(0)?;
        let caller = request.caller();
        let optional = optional_bytes(&[&caller.tenant, &caller.user, &caller.tier]);
        self.copy(caller.key_id.len() + optional + attribute_bytes(&caller.labels))?;
        Ok(v0_2::old_caller(caller))
    }
}

// === impl Guest: context ===

impl Guest {
    pub(crate) fn correlation_id(&mut self) -> Result<String> {
        let (context, request) = (self.context(0)?, self.facts.request.clone());
        let own = request.as_deref().map_or("", Request::id);
        self.text(context.correlation_id.as_deref().unwrap_or(own))
    }

    pub(crate) fn resource(&mut self) -> Result<Option<String>> {
        let context = self.context(0)?;
        self.optional_text(context.resource.as_deref())
    }

    pub(crate) fn tenant(&mut self) -> Result<Option<String>> {
        let (context, request) = (self.context(0)?, self.facts.request.clone());
        let own = request.as_deref().map(Request::caller);
        let own = own.and_then(|caller| caller.tenant.as_deref());
        self.optional_text(context.tenant.as_deref().or(own))
    }

    pub(crate) fn user(&mut self) -> Result<Option<String>> {
        let (context, request) = (self.context(0)?, self.facts.request.clone());
        let own = request.as_deref().map(Request::caller);
        let own = own.and_then(|caller| caller.user.as_deref());
        self.optional_text(context.user.as_deref().or(own))
    }

    pub(crate) fn session(&mut self) -> Result<Option<String>> {
        let context = self.context(0)?;
        self.optional_text(context.session.as_deref())
    }

    pub(crate) fn agent(&mut self) -> Result<Option<String>> {
        let context = self.context(0)?;
        self.optional_text(context.agent.as_deref())
    }

    pub(crate) fn metadata(&mut self, name: String) -> Result<Option<String>> {
        let context = self.context(name.len())?;
        self.optional_text(value(&context.metadata, &name))
    }

    pub(crate) fn all_metadata(&mut self) -> Result<Option<Vec<Attribute>>> {
        let context = self.context(0)?;
        self.pairs(&context.metadata)
    }

    pub(crate) fn attribute(&mut self, name: String) -> Result<Option<String>> {
        let context = self.context(name.len())?;
        self.optional_text(value(&context.attributes, &name))
    }

    pub(crate) fn attributes(&mut self) -> Result<Option<Vec<Attribute>>> {
        let context = self.context(0)?;
        self.pairs(&context.attributes)
    }

    pub(crate) fn timeout_ms(&mut self) -> Result<Option<u32>> {
        Ok(self.context(0)?.timeout_ms)
    }

    pub(crate) fn secondary_index(&mut self) -> Result<Option<u32>> {
        Ok(self.context(0)?.secondary_index)
    }

    pub(crate) fn routing(&mut self) -> Result<context::RoutingFacts> {
        let known = self.context(0)?;
        Ok(context::RoutingFacts {
            resource: self.optional_text(known.resource.as_deref())?,
            secondary_index: known.secondary_index,
            has_attributes: !known.attributes.is_empty(),
        })
    }

    fn context(&mut self, bytes: usize) -> Result<Arc<Envelope>> {
        self.enter_hook(bytes, "context")?;
        let context = self.facts.context.clone();
        context.ok_or_else(|| self.breached(Breach::NotInHook("context")))
    }
}

// === impl Guest: texts ===

impl Guest {
    pub(crate) fn before_piece(&mut self) -> Result<Option<char>> {
        self.enter_hook(0, "texts")?;
        match self.facts.text {
            Some(text) => Ok(text.before),
            None => Err(self.breached(Breach::NotInHook("texts"))),
        }
    }

    pub(crate) fn held_bytes(&mut self) -> Result<u32> {
        self.enter(0)?;
        Ok(u32::try_from(self.spec.limits.held_bytes).unwrap_or(u32::MAX))
    }
}

// === impl Guest: upstreams, plan, receipts ===

impl Guest {
    pub(crate) fn upstream_names(&mut self) -> Result<Vec<String>> {
        self.enter_hook(0, "upstreams")?;
        let names = self.upstreams()?.map_or_else(Vec::new, |all| all.names());
        self.copy(names.iter().map(|name| name.len() + FIELD_BYTES).sum())?;
        Ok(names)
    }

    pub(crate) fn upstream_stats(
        &mut self,
        name: String,
    ) -> Result<Option<upstreams::UpstreamStats>> {
        self.enter_hook(name.len(), "upstreams")?;
        let stats = self.upstreams()?.and_then(|all| all.stats(&name));
        Ok(stats.map(|stats| upstreams::UpstreamStats {
            in_flight: stats.in_flight,
            requests: stats.requests,
            errors: stats.errors,
        }))
    }

    pub(crate) fn upstream_attributes(&mut self, name: String) -> Result<Option<Vec<Attribute>>> {
        self.enter_hook(name.len(), "upstreams")?;
        let stats = self.upstreams()?.and_then(|all| all.stats(&name));
        self.pairs(&stats.unwrap_or_default().attributes)
    }

    pub(crate) fn planned_rule(&mut self) -> Result<Option<String>> {
        let plan = self.plan()?;
        self.optional_text(plan.rule.as_deref())
    }

    pub(crate) fn planned_target(&mut self, index: u32) -> Result<Option<planned::Destination>> {
        let plan = self.plan()?;
        let Some(target) = usize::try_from(index)
            .ok()
            .and_then(|index| plan.targets.get(index))
        else {
            return Ok(None);
        };
        Ok(Some(planned::Destination {
            upstream: self.text(&target.upstream)?,
            model: self.optional_text(target.model.as_deref())?,
        }))
    }

    pub(crate) fn receipt_field(&mut self, receipt: u32, name: String) -> Result<Option<Value>> {
        let receipts = self.receipts(name.len())?;
        let field = place(&receipts, receipt).and_then(|receipt| receipt.field(&name));
        self.copy(field.map_or(0, Value::text_bytes))?;
        Ok(field.cloned())
    }

    pub(crate) fn receipt_fields(&mut self, receipt: u32) -> Result<Vec<Field>> {
        let receipts = self.receipts(0)?;
        let fields = place(&receipts, receipt).map_or(&[][..], |receipt| &receipt.fields);
        let bytes = |field: &Field| FIELD_BYTES + field.name.len() + field.value.text_bytes();
        self.copy(fields.iter().map(bytes).sum())?;
        Ok(fields.to_vec())
    }

    fn upstreams(&mut self) -> Result<Option<Arc<dyn Upstreams>>> {
        // An embedder may tell a route hook of no upstreams.
        match (&self.facts.upstreams, &self.facts.plan) {
            (Some(all), _) => Ok(Some(Arc::clone(all))),
            (None, None) if self.facts.context.is_some() => Ok(None),
            _ => Err(self.breached(Breach::NotInHook("upstreams"))),
        }
    }

    fn plan(&mut self) -> Result<Arc<Plan>> {
        self.enter_hook(0, "planned")?;
        let plan = self.facts.plan.clone();
        plan.ok_or_else(|| self.breached(Breach::NotInHook("planned")))
    }

    fn receipts(&mut self, bytes: usize) -> Result<Arc<Vec<Receipt>>> {
        self.enter_hook(bytes, "receipts")?;
        let receipts = self.facts.receipts.clone();
        receipts.ok_or_else(|| self.breached(Breach::NotInHook("receipts")))
    }

    /// Copies pairs, or returns `None` if there are none.
    fn pairs(&mut self, pairs: &[Attribute]) -> Result<Option<Vec<Attribute>>> {
        self.copy(attribute_bytes(pairs))?;
        Ok(filled(pairs.to_vec()))
    }
}

fn place(receipts: &[Receipt], index: u32) -> Option<&Receipt> {
    receipts.get(usize::try_from(index).ok()?)
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}
