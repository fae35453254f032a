//! Validation of the values that plugins return: edits of JSON bodies, and charges in the ledger's units and windows.
//!
//! What it can't use is a fault of the plugin, told with the same text by the gateway and by `witgate plugin`.

use witgate_ledger::{Unit, Window};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::splice::Edit;
use witgate_runtime::{self as contract, Charge, Envelope, Plan, RetryReason, TranslatedRequest};

use crate::exchange::view::edit;

/// The gateway's words.
#[derive(Debug)]
pub(crate) struct Vocabulary;

// === impl Vocabulary ===

impl contract::Vocabulary for Vocabulary {
    fn translated(&self, request: &TranslatedRequest) -> Result<(), String> {
        let TranslatedRequest {
            method, path, body, ..
        } = request;
        let has_body = match Endpoint::of(method, path) {
            Endpoint::Messages | Endpoint::CountTokens => true,
            Endpoint::Models | Endpoint::Model => false,
            _ => {
                return Err(format!(
                    "a translation to `{method} {path}`; use POST /v1/messages or /v1/messages/count_tokens, or GET /v1/models"
                ));
            }
        };
        match body.is_some() == has_body {
            true => Ok(()),
            false if has_body => Err("a translation without a body".to_owned()),
            false => Err("a translation to a GET with a body".to_owned()),
        }
    }

    fn envelope(&self, envelope: &Envelope) -> Result<(), String> {
        envelope
            .edits
            .iter()
            .try_for_each(|given| check(&edit(given)))
    }

    fn plan(&self, plan: &Plan) -> Result<(), String> {
        let unknown = plan
            .retry_on
            .iter()
            .flatten()
            .find_map(|reason| match reason {
                RetryReason::Other(code) => Some(code),
                _ => None,
            });
        if let Some(code) = unknown {
            return Err(format!(
                "a plan with the unknown reason `{code}` in `retry-on`; known are connect, timeout, conflict, rate-limit, overloaded and server-error"
            ));
        }
        let edits = plan.targets.iter().flat_map(|target| &target.edits);
        edits.into_iter().map(edit).try_for_each(|edit| {
            if ["model", "stream"].contains(&edit.name()) {
                return Err(format!(
                    "an edit of `{}` for a target; name the model in the target's `model`, and leave `stream` to the client",
                    edit.name()
                ));
            }
            check(&edit)
        })
    }

    fn window(&self, window: &contract::Window) -> Result<(), String> {
        let known = Window::parse(window.code()).map(drop);
        known.map_err(|unknown| format!("a limit with an {unknown}"))
    }

    fn charge(&self, charge: &Charge) -> Result<(), String> {
        if charge.unit == contract::Unit::ThinkingTokens {
            return Ok(());
        }
        Window::parse(charge.window.code())
            .map(drop)
            .and_then(|()| Unit::parse(charge.unit.code()).map(drop))
            .map_err(|unknown| format!("a charge on `{}` with an {unknown}", charge.account))
    }
}

/// Members that the gateway reads and that are not arrays.
const NO_ARRAYS: [&str; 4] = ["model", "stream", "max_tokens", "metadata"];

fn check(edit: &Edit) -> Result<(), String> {
    edit.check()
        .map_err(|error| format!("an edit of the body that can't be made: {error}"))?;
    match edit {
        Edit::Set(name, json) if name == "model" && json.trim_ascii() == "\"\"" => Err(
            "an edit that sets `model` to an empty text; name a model, or leave the member as it is"
                .to_owned(),
        ),
        Edit::Insert(insertion) if NO_ARRAYS.contains(&insertion.member.as_str()) => Err(format!(
            "an edit that adds an element to `{}`, which is not an array; set the member instead",
            insertion.member
        )),
        Edit::Set(..) | Edit::Insert(..) | Edit::Remove(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use witgate_runtime::Vocabulary as _;

    use super::*;

    fn setting(name: &str, json: &str) -> Result<(), String> {
        let edit = contract::Edit::Set((name.to_owned(), json.to_owned()));
        Vocabulary.envelope(&Envelope {
            edits: vec![edit],
            ..Envelope::default()
        })
    }

    fn charging(window: &str, unit: &str) -> Result<(), String> {
        Vocabulary.charge(&Charge {
            account: "key:a".to_owned(),
            window: contract::Window::of(window),
            unit: contract::Unit::of(unit),
            limit: 1,
            amount: 1,
            reserve: contract::Reserve::Amount,
            overrun: contract::Overrun::Finish,
        })
    }

    #[test]
    fn what_the_gateway_can_use_passes() {
        for (name, json) in [
            ("model", r#""claude-haiku-4-5""#),
            ("max_tokens", "5"),
            ("anything", r#"{"a": [1.5e3, null]}"#),
        ] {
            assert_eq!(setting(name, json), Ok(()), "{name} = {json}");
        }
        assert_eq!(charging("day", "picousd"), Ok(()), "a known charge");
    }

    #[test]
    fn what_it_can_not_use_is_named_with_the_cure() {
        for (name, json, told) in [
            ("a", "{", "`a` is not JSON"),
            ("max_tokens", "\"9\"", "a whole number"),
            ("model", " \"\" ", "name a model"),
        ] {
            let error = setting(name, json).expect_err("no body can have it");
            assert!(error.contains(told), "{name} = {json}: {error}");
        }
        for (window, unit, told) in [
            ("fortnight", "tokens", "known are minute"),
            ("day", "bananas", "known are picousd"),
        ] {
            let error = charging(window, unit).expect_err("the ledger doesn't know it");
            assert!(error.contains(told), "{error}");
        }
    }
}
