//! The guest's imports of the caller, the context and what else single hooks know.

#![allow(
    clippy::needless_pass_by_value,
    reason = "the linker lifts arguments for the callee to have"
)]

use wasmtime::Result;

use super::tally::attribute_bytes;
use super::{Breach, Guest, Lent, Tally, optional_bytes};
use crate::contract::{
    Attribute, Caller, Envelope, Field, Plan, Receipt, Upstreams, Value, context, planned,
    upstreams, v0_2,
};
use crate::request::Request;

/// The bytes that a field takes in addition to its texts.
const FIELD_BYTES: usize = 16;

// === impl Guest: caller ===

impl Guest {
    pub(crate) fn key_id(&mut self) -> Result<String> {
        let Lent { request, tally, .. } = self.lent("caller", 0)?;
        tally.text(&request.caller().key_id)
    }

    pub(crate) fn caller_tenant(&mut self) -> Result<Option<String>> {
        let Lent { request, tally, .. } = self.lent("caller", 0)?;
        tally.optional_text(request.caller().tenant.as_deref())
    }

    pub(crate) fn caller_user(&mut self) -> Result<Option<String>> {
        let Lent { request, tally, .. } = self.lent("caller", 0)?;
        tally.optional_text(request.caller().user.as_deref())
    }

    pub(crate) fn tier(&mut self) -> Result<Option<String>> {
        let Lent { request, tally, .. } = self.lent("caller", 0)?;
        tally.optional_text(request.caller().tier.as_deref())
    }

    pub(crate) fn label(&mut self, name: String) -> Result<Option<String>> {
        let Lent { request, tally, .. } = self.lent("caller", name.len())?;
        tally.optional_text(value(&request.caller().labels, &name))
    }

    pub(crate) fn labels(&mut self) -> Result<Option<Vec<Attribute>>> {
        let Lent { request, tally, .. } = self.lent("caller", 0)?;
        tally.pairs(&request.caller().labels)
    }

    /// Returns the whole caller, as version 0.2 has it.
    pub(crate) fn whole_caller(&mut self) -> Result<v0_2::OldCaller> {
        let Lent { request, tally, .. } = self.lent("request", 0)?;
        let caller = request.caller();
        let optional = optional_bytes(&[&caller.tenant, &caller.user, &caller.tier]);
        tally.copy(caller.key_id.len() + optional + attribute_bytes(&caller.labels))?;
        Ok(v0_2::old_caller(caller))
    }
}

// === impl Guest: context ===

/// The context of the running call, and what counts the copies of its parts.
struct Known<'a> {
    context: &'a Envelope,
    request: Option<&'a dyn Request>,
    tally: &'a mut Tally,
}

impl Guest {
    pub(crate) fn correlation_id(&mut self) -> Result<String> {
        let known = self.context(0)?;
        let own = known.request.map_or("", Request::id);
        let stated = known.context.correlation_id.as_deref();
        known.tally.text(stated.unwrap_or(own))
    }

    pub(crate) fn resource(&mut self) -> Result<Option<String>> {
        let Known { context, tally, .. } = self.context(0)?;
        tally.optional_text(context.resource.as_deref())
    }

    pub(crate) fn tenant(&mut self) -> Result<Option<String>> {
        let known = self.context(0)?;
        let own = known.caller().and_then(|caller| caller.tenant.as_deref());
        let stated = known.context.tenant.as_deref();
        known.tally.optional_text(stated.or(own))
    }

    pub(crate) fn user(&mut self) -> Result<Option<String>> {
        let known = self.context(0)?;
        let own = known.caller().and_then(|caller| caller.user.as_deref());
        let stated = known.context.user.as_deref();
        known.tally.optional_text(stated.or(own))
    }

    pub(crate) fn session(&mut self) -> Result<Option<String>> {
        let Known { context, tally, .. } = self.context(0)?;
        tally.optional_text(context.session.as_deref())
    }

    pub(crate) fn agent(&mut self) -> Result<Option<String>> {
        let Known { context, tally, .. } = self.context(0)?;
        tally.optional_text(context.agent.as_deref())
    }

    pub(crate) fn metadata(&mut self, name: String) -> Result<Option<String>> {
        let Known { context, tally, .. } = self.context(name.len())?;
        tally.optional_text(value(&context.metadata, &name))
    }

    pub(crate) fn all_metadata(&mut self) -> Result<Option<Vec<Attribute>>> {
        let Known { context, tally, .. } = self.context(0)?;
        tally.pairs(&context.metadata)
    }

    pub(crate) fn attribute(&mut self, name: String) -> Result<Option<String>> {
        let Known { context, tally, .. } = self.context(name.len())?;
        tally.optional_text(value(&context.attributes, &name))
    }

    pub(crate) fn attributes(&mut self) -> Result<Option<Vec<Attribute>>> {
        let Known { context, tally, .. } = self.context(0)?;
        tally.pairs(&context.attributes)
    }

    pub(crate) fn timeout_ms(&mut self) -> Result<Option<u32>> {
        Ok(self.context(0)?.context.timeout_ms)
    }

    pub(crate) fn secondary_index(&mut self) -> Result<Option<u32>> {
        Ok(self.context(0)?.context.secondary_index)
    }

    pub(crate) fn routing(&mut self) -> Result<context::RoutingFacts> {
        let Known { context, tally, .. } = self.context(0)?;
        Ok(context::RoutingFacts {
            resource: tally.optional_text(context.resource.as_deref())?,
            secondary_index: context.secondary_index,
            has_attributes: !context.attributes.is_empty(),
        })
    }

    fn context(&mut self, bytes: usize) -> Result<Known<'_>> {
        self.tally.enter_hook(bytes, "context")?;
        match &self.facts.context {
            Some(context) => Ok(Known {
                context,
                request: self.facts.request.as_deref(),
                tally: &mut self.tally,
            }),
            None => Err(self.tally.breached(Breach::NotInHook("context"))),
        }
    }
}

impl<'a> Known<'a> {
    fn caller(&self) -> Option<&'a Caller> {
        self.request.map(Request::caller)
    }
}

// === impl Guest: texts ===

impl Guest {
    pub(crate) fn before_piece(&mut self) -> Result<Option<char>> {
        self.tally.enter_hook(0, "texts")?;
        match self.facts.text {
            Some(text) => Ok(text.before),
            None => Err(self.tally.breached(Breach::NotInHook("texts"))),
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
        let (upstreams, tally) = self.upstreams(0)?;
        let names = upstreams.map_or_else(Vec::new, |all| all.names());
        tally.copy(names.iter().map(|name| name.len() + FIELD_BYTES).sum())?;
        Ok(names)
    }

    pub(crate) fn upstream_stats(
        &mut self,
        name: String,
    ) -> Result<Option<upstreams::UpstreamStats>> {
        let (upstreams, _) = self.upstreams(name.len())?;
        let stats = upstreams.and_then(|all| all.stats(&name));
        Ok(stats.map(|stats| upstreams::UpstreamStats {
            in_flight: stats.in_flight,
            requests: stats.requests,
            errors: stats.errors,
        }))
    }

    pub(crate) fn upstream_attributes(&mut self, name: String) -> Result<Option<Vec<Attribute>>> {
        let (upstreams, tally) = self.upstreams(name.len())?;
        let stats = upstreams.and_then(|all| all.stats(&name));
        tally.pairs(&stats.unwrap_or_default().attributes)
    }

    pub(crate) fn planned_rule(&mut self) -> Result<Option<String>> {
        let (plan, tally) = self.plan()?;
        tally.optional_text(plan.rule.as_deref())
    }

    pub(crate) fn planned_target(&mut self, index: u32) -> Result<Option<planned::Destination>> {
        let (plan, tally) = self.plan()?;
        let Some(target) = usize::try_from(index)
            .ok()
            .and_then(|index| plan.targets.get(index))
        else {
            return Ok(None);
        };
        Ok(Some(planned::Destination {
            upstream: tally.text(&target.upstream)?,
            model: tally.optional_text(target.model.as_deref())?,
        }))
    }

    pub(crate) fn receipt_field(&mut self, receipt: u32, name: String) -> Result<Option<Value>> {
        let (receipts, tally) = self.receipts(name.len())?;
        let field = place(receipts, receipt).and_then(|receipt| receipt.field(&name));
        tally.copy(field.map_or(0, Value::text_bytes))?;
        Ok(field.cloned())
    }

    pub(crate) fn receipt_fields(&mut self, receipt: u32) -> Result<Vec<Field>> {
        let (receipts, tally) = self.receipts(0)?;
        let fields = place(receipts, receipt).map_or(&[][..], |receipt| &receipt.fields);
        let bytes = |field: &Field| FIELD_BYTES + field.name.len() + field.value.text_bytes();
        tally.copy(fields.iter().map(bytes).sum())?;
        Ok(fields.to_vec())
    }

    fn upstreams(&mut self, bytes: usize) -> Result<(Option<&dyn Upstreams>, &mut Tally)> {
        self.tally.enter_hook(bytes, "upstreams")?;
        // An embedder may tell a route hook of no upstreams.
        match (&self.facts.upstreams, &self.facts.plan) {
            (Some(all), _) => Ok((Some(&**all), &mut self.tally)),
            (None, None) if self.facts.context.is_some() => Ok((None, &mut self.tally)),
            _ => Err(self.tally.breached(Breach::NotInHook("upstreams"))),
        }
    }

    fn plan(&mut self) -> Result<(&Plan, &mut Tally)> {
        self.tally.enter_hook(0, "planned")?;
        match &self.facts.plan {
            Some(plan) => Ok((plan, &mut self.tally)),
            None => Err(self.tally.breached(Breach::NotInHook("planned"))),
        }
    }

    fn receipts(&mut self, bytes: usize) -> Result<(&[Receipt], &mut Tally)> {
        self.tally.enter_hook(bytes, "receipts")?;
        match &self.facts.receipts {
            Some(receipts) => Ok((receipts, &mut self.tally)),
            None => Err(self.tally.breached(Breach::NotInHook("receipts"))),
        }
    }
}

fn place(receipts: &[Receipt], index: u32) -> Option<&Receipt> {
    receipts.get(usize::try_from(index).ok()?)
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}
