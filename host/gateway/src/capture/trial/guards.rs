//! The guards' part of a trial: the texts of a recorded request.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use witgate_messages::splice::Edit;
use witgate_runtime::{Envelope, Guards, Hook, HookSession, Refusal, Rejection, Stopped};

use super::Decided;
use crate::exchange::guard;
use crate::exchange::view::View;

/// Lets guards read the texts of a request. Returns the request as they leave it, or their rejection.
pub(super) fn ask(
    view: &Arc<View>,
    envelope: &Arc<Envelope>,
    hooks: &HookSession<'_>,
    decided: &mut Decided,
) -> anyhow::Result<Result<Arc<View>, Rejection>> {
    let guards = match hooks.guards(envelope) {
        Ok(guards) => guards,
        Err(rejection) => return Ok(Err(rejection)),
    };
    let Some(guards) = guards else {
        decided.note(Hook::Guard, &Value::Null, "not asked")?;
        return Ok(Ok(Arc::clone(view)));
    };
    let (guards, edits) = decided.time(Hook::Guard, || guard::try_out(view, guards));
    for fault in &guards.trace().skipped {
        decided.skip(fault);
    }
    let edits = match edits {
        Ok(edits) => edits,
        Err(stopped) => return Ok(Err(rejection(*stopped))),
    };
    let changed: Map<String, Value> = edits.iter().filter_map(change).collect();
    decided.note(Hook::Guard, &changed, &summary(&guards))?;
    let mut view = Arc::clone(view);
    if !edits.is_empty()
        && let Some(head) = &view.head
    {
        let edited = head.edited(&edits)?;
        Arc::make_mut(&mut view).head = Some(edited);
    }
    Ok(Ok(view))
}

/// Returns a changed member with its new value.
fn change(edit: &Edit) -> Option<(String, Value)> {
    match edit {
        Edit::Set(name, json) => {
            let value = serde_json::from_str(json).unwrap_or_else(|_| json!(json));
            Some((name.clone(), value))
        }
        Edit::Remove(_) | Edit::Insert(_) => None,
    }
}

fn summary(guards: &Guards) -> String {
    let calls = &guards.trace().calls;
    let pieces: u64 = calls.iter().map(|calls| calls.pieces).sum();
    let changed: u64 = calls.iter().map(|calls| calls.changed).sum();
    let one = if pieces == 1 { "text" } else { "texts" };
    format!("{pieces} {one}, {changed} changed")
}

fn rejection(stopped: Stopped) -> Rejection {
    match stopped {
        Stopped::Stop {
            plugin, message, ..
        } => Rejection::Refusal {
            plugin,
            hook: Hook::Guard,
            refusal: Refusal {
                status: 400,
                code: "policy_blocked".to_owned(),
                message,
                retry_after_ms: None,
                attributes: Vec::new(),
            },
        },
        Stopped::Fault(fault) => Rejection::Fault(fault),
        other => Rejection::Refusal {
            plugin: Arc::from(""),
            hook: Hook::Guard,
            refusal: Refusal {
                status: 503,
                code: "api_error".to_owned(),
                message: other.to_string(),
                retry_after_ms: None,
                attributes: Vec::new(),
            },
        },
    }
}
