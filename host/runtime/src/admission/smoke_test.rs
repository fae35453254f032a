//! The smoke test: one call of every hook with a plain request, so that a plugin that can't work never serves.
//!
//! A refusal passes, since it is a decision. A fault fails, and so does an unusable value. Route hooks see no upstreams, so
//! their plans may name any.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;

use super::AdmissionCause;
use crate::call_facts::{CallFacts, Notes, TextFacts};
use crate::content::ContentKind;
use crate::contract::exports::AuditAnswer;
use crate::contract::guard::{Piece, Verdict};
use crate::contract::{
    Caller, Envelope, Estimate, Field, Head, Plan, Receipt, TranslatedAnswer, Value,
};
use crate::fault::{Failure, FaultKind};
use crate::guest::{Breach, Guest};
use crate::hook::Hook;
use crate::instance::{Exports, Instance};
use crate::lineup::validate;
use crate::plugin::Plugin;
use crate::request::{Body, PlainRequest, Request};
use crate::vocabulary::Vocabulary;

/// The name of everything in the smoke test that has a name.
const NAME: &str = "smoke-test";

/// The text that a guard inspects.
const TEXT: &str = "hello";

/// The factor by which deadlines are longer than in service: the first call of an instance pays for page faults, and a
/// machine that starts up is busy.
const DEADLINE_FACTOR: u32 = 10;
/// The minimum deadline.
const MIN_DEADLINE: Duration = Duration::from_millis(500);

pub(super) fn run(plugin: &Plugin, instance: &mut Instance) -> Result<(), AdmissionCause> {
    let request: Arc<dyn Request> = Arc::new(plain_message());
    let facts = CallFacts {
        context: Some(Arc::new(Envelope {
            correlation_id: Some(NAME.to_owned()),
            ..Envelope::default()
        })),
        ..CallFacts::of_request(Arc::clone(&request))
    };
    let estimate = Estimate {
        prompt_tokens: 8,
        output_tokens: 1,
        cost_picousd: None,
    };
    let receipts = Arc::new(vec![Receipt {
        id: NAME.to_owned(),
        fields: vec![Field {
            name: "outcome".to_owned(),
            value: Value::Text(NAME.to_owned()),
        }],
    }]);
    instance.guest().tally().collect_missing_grants();
    let mut missing = MissingGrants::default();
    let vocabulary = &*plugin.spec().vocabulary;
    for hook in plugin.hooks() {
        let mut facts = match hook {
            Hook::Translate => CallFacts {
                notes: Some(Notes::default()),
                ..CallFacts::of_request(Arc::clone(&request))
            },
            Hook::Envelope => CallFacts::of_request(Arc::clone(&request)),
            Hook::Guard => CallFacts {
                text: Some(TextFacts::default()),
                ..facts.clone()
            },
            Hook::Route => facts.clone(),
            Hook::Budget => CallFacts {
                plan: Some(Arc::new(Plan::to(NAME))),
                ..facts.clone()
            },
            Hook::Audit => CallFacts::of_receipts(&receipts),
        };
        let called = call(
            plugin,
            instance,
            hook,
            &mut facts,
            |exports, store| match hook {
                Hook::Translate => translate(exports, store, vocabulary),
                Hook::Envelope => {
                    let given = exports.envelope()?.read(store)?;
                    Ok(given.map_or(Ok(()), |given| validate::envelope(vocabulary, &given)))
                }
                Hook::Guard => {
                    let inspected = plugin.content().map(|kind| guard(exports, store, kind));
                    inspected.collect()
                }
                Hook::Route => {
                    let given = exports.route()?.decide(store)?;
                    let plan = given.ok().flatten();
                    Ok(plan.map_or(Ok(()), |plan| validate::plan(vocabulary, &plan, None)))
                }
                Hook::Budget => {
                    let given = exports.budget()?.charges(store, estimate)?;
                    Ok(given.map_or(Ok(()), |given| validate::charges(vocabulary, &given)))
                }
                Hook::Audit => {
                    let given = exports.audit()?.edit(store)?;
                    Ok(audit(&given, &receipts))
                }
            },
        );
        missing.add(hook, instance.guest().tally().take_missing_grants());
        // A plugin without its grants may well fail: the grants are the problem then.
        if called.is_err() && missing.is_empty() {
            return called;
        }
        if called.is_err() {
            break;
        }
    }
    missing.into_result(plugin)
}

/// Calls the functions of the translate hook, with a body that is none of its dialect, an error and a ping.
fn translate(
    exports: &Exports,
    store: &mut Store<Guest>,
    vocabulary: &dyn Vocabulary,
) -> wasmtime::Result<Result<(), Failure>> {
    let hook = exports.translate()?;
    if let Ok(request) = hook.request(store, "{}")?
        && let Err(failure) = validate::translated_request(vocabulary, &request)
    {
        return Ok(Err(failure));
    }
    let error = TranslatedAnswer {
        status: 400,
        content_type: "application/json".to_owned(),
        body: format!(
            r#"{{"type":"error","error":{{"type":"invalid_request_error","message":"{TEXT}"}}}}"#
        ),
    };
    let answer = hook.answer(store, &error)?;
    hook.event(store, r#"{"type":"ping"}"#)?;
    Ok(validate::translated_answer(&answer))
}

/// Checks the edits of the receipts.
fn audit(given: &AuditAnswer, receipts: &[Receipt]) -> Result<(), Failure> {
    match given {
        AuditAnswer::Edits(edits) => validate::receipt_edits(edits, receipts.len()),
        AuditAnswer::Receipts(_) => Ok(()),
    }
}

/// Calls the guard hook with a whole text of a kind.
fn guard(
    exports: &Exports,
    store: &mut Store<Guest>,
    kind: ContentKind,
) -> wasmtime::Result<Result<(), Failure>> {
    let text = match kind {
        ContentKind::End => "",
        ContentKind::ToolInput => "{}",
        _ => TEXT,
    };
    let piece = Piece {
        kind: kind.into(),
        index: 0,
        text: text.to_owned(),
        last: true,
    };
    Ok(match exports.guard()?.inspect(store, &piece)? {
        Verdict::Pass | Verdict::Stop(_) => Ok(()),
        Verdict::Hold(bytes) => validate::held(bytes, &piece, usize::MAX),
        Verdict::Replace(replacement) => validate::replaced(&piece)
            .and_then(|()| validate::held(replacement.hold, &piece, usize::MAX)),
    })
}

/// Returns a plain, harmless request.
fn plain_message() -> PlainRequest {
    let body = format!(
        r#"{{"model":"{NAME}","max_tokens":1,"messages":[{{"role":"user","content":"{TEXT}"}}]}}"#
    );
    PlainRequest::new("messages", "POST", "/v1/messages")
        .with_id(NAME)
        .with_headers([("content-type", "application/json")])
        .with_caller(Caller {
            key_id: NAME.to_owned(),
            ..Caller::default()
        })
        .with_head(Head {
            model: Some(NAME.to_owned()),
            max_tokens: Some(1),
            message_count: 1,
            prompt_tokens: 8,
            ..Head::default()
        })
        .with_body(Body::try_json(body).unwrap_or_default())
}

/// The grants that the hooks need and the sidecar does not give.
#[derive(Debug, Default)]
struct MissingGrants {
    /// The first hook that needed one.
    hook: Option<Hook>,
    grants: Vec<Breach>,
}

// === impl MissingGrants ===

impl MissingGrants {
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
        let failure = Failure::new(FaultKind::NotGranted, Breach::describe_all(&self.grants));
        let fault = plugin.fault(self.hook, failure);
        Err(AdmissionCause::SmokeTest(Box::new(fault)))
    }
}

fn call(
    plugin: &Plugin,
    instance: &mut Instance,
    hook: Hook,
    facts: &mut CallFacts,
    call: impl FnOnce(&Exports, &mut Store<Guest>) -> wasmtime::Result<Result<(), Failure>>,
) -> Result<(), AdmissionCause> {
    let mut limits = *plugin.spec().limits.calls.of(hook);
    limits.deadline = (limits.deadline * DEADLINE_FACTOR).max(MIN_DEADLINE);
    instance
        .call(limits, facts, call)
        .and_then(|given| given)
        .map_err(|failure| AdmissionCause::SmokeTest(Box::new(plugin.fault(Some(hook), failure))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_the_smoke_test_is_json_with_the_members_that_it_lends() {
        let request = plain_message();
        let body: serde_json::Value = serde_json::from_slice(request.body()).expect("JSON");
        for member in ["model", "max_tokens", "messages"] {
            let lent = request.member(member).expect("a member");
            let lent: serde_json::Value = serde_json::from_str(lent).expect("JSON");
            assert_eq!(body[member], lent, "{member}");
        }
        assert_eq!(body["model"], NAME, "the model of the head");
    }
}
