//! One benign call of every hook, so that what can't work never serves.
//!
//! A refusal is fine: refusing a request that means nothing is a decision. A fault is not, nor is a value that can't be
//! used: no upstream is told, so that plans may name any.

use super::AdmissionCause;
use crate::contract::{Envelope, Estimate, Field, Plan, Receipt, Target, Value};
use crate::fault::{Failure, FaultKind};
use crate::guest::{Breach, Guest};
use crate::hook::Hook;
use crate::instance::{Exports, Instance, handle, not_exported};
use crate::lineup::sense;
use crate::plugin::Plugin;
use crate::request::{Rehearsal, Request};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::Store;

/// The first call of an instance pays for its page faults, and a machine that starts up is busy: it is given more
/// time than a call that serves.
const PATIENCE: u32 = 10;
const LEAST: Duration = Duration::from_millis(500);

pub(super) fn rehearse(plugin: &Plugin, instance: &mut Instance) -> Result<(), AdmissionCause> {
    let request: Arc<dyn Request> = Arc::new(Rehearsal);
    let envelope = Envelope {
        correlation_id: Some("rehearsal".to_owned()),
        ..Envelope::default()
    };
    let plan = Plan {
        rule: None,
        targets: vec![Target {
            upstream: "rehearsal".to_owned(),
            model: None,
            timeout_ms: None,
            attributes: Vec::new(),
        }],
        retry_on: Vec::new(),
        attributes: Vec::new(),
    };
    let estimate = Estimate {
        prompt_tokens: 8,
        output_tokens: 1,
        cost_picousd: None,
    };
    let receipts = [Receipt {
        id: "rehearsal".to_owned(),
        fields: vec![Field {
            name: "outcome".to_owned(),
            value: Value::Text("rehearsal".to_owned()),
        }],
    }];
    instance.guest().collect_lacking();
    let mut lacking = Lacking::default();
    let vocabulary = plugin.terms().words.vocabulary();
    for hook in plugin.hooks() {
        let request = match hook {
            Hook::Envelope | Hook::Route | Hook::Budget => Some(Arc::clone(&request)),
            Hook::Audit => None,
        };
        let called = call(
            plugin,
            instance,
            hook,
            request,
            |exports, store| match hook {
                Hook::Envelope => {
                    let guest = exports
                        .envelope
                        .as_ref()
                        .ok_or_else(|| not_exported(hook))?;
                    let given = guest.read(store, handle())?;
                    Ok(given.map_or(Ok(()), |given| sense::envelope(vocabulary, &given)))
                }
                Hook::Route => {
                    let guest = exports.route.as_ref().ok_or_else(|| not_exported(hook))?;
                    let given = guest.decide(store, handle(), &envelope, &[])?;
                    let plan = given.ok().flatten();
                    Ok(plan.map_or(Ok(()), |plan| sense::plan(vocabulary, &plan, &[])))
                }
                Hook::Budget => {
                    let guest = exports.budget.as_ref().ok_or_else(|| not_exported(hook))?;
                    let given = guest.charges(store, handle(), &envelope, &plan, estimate)?;
                    Ok(given.map_or(Ok(()), |given| sense::charges(vocabulary, &given)))
                }
                Hook::Audit => {
                    let guest = exports.audit.as_ref().ok_or_else(|| not_exported(hook))?;
                    guest.entries(store, &receipts).map(|_| Ok(()))
                }
            },
        );
        lacking.add(hook, instance.guest().take_lacking());
        // A plugin that does not get what it asks for may well fail: that is not what is to be mended.
        if called.is_err() && lacking.is_empty() {
            return called;
        }
        if called.is_err() {
            break;
        }
    }
    lacking.into_result(plugin)
}

/// Grants that the hooks need and their plugin doesn't have.
#[derive(Debug, Default)]
struct Lacking {
    /// The first that asked.
    hook: Option<Hook>,
    grants: Vec<Breach>,
}

// === impl Lacking ===

impl Lacking {
    fn add(&mut self, hook: Hook, grants: Vec<Breach>) {
        for grant in grants {
            self.hook.get_or_insert(hook);
            if !self.grants.contains(&grant) {
                self.grants.push(grant);
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.grants.is_empty()
    }

    fn into_result(self, plugin: &Plugin) -> Result<(), AdmissionCause> {
        if self.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(FaultKind::NotGranted, Breach::all(&self.grants));
        let fault = plugin.fault(self.hook, failure);
        Err(AdmissionCause::Rehearsal(Box::new(fault)))
    }
}

fn call(
    plugin: &Plugin,
    instance: &mut Instance,
    hook: Hook,
    request: Option<Arc<dyn Request>>,
    call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<Result<(), Failure>>,
) -> Result<(), AdmissionCause> {
    let mut limits = *plugin.terms().limits.calls.of(hook);
    limits.deadline = (limits.deadline * PATIENCE).max(LEAST);
    instance
        .call(limits, request, call)
        .and_then(|given| given)
        .map_err(|failure| AdmissionCause::Rehearsal(Box::new(plugin.fault(Some(hook), failure))))
}
