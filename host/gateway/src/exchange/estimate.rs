//! What a request is expected to use, before anybody has answered it.
//!
//! It is taken on what will be sent: a plugin's edits can change the model, the length of the answer, and what both cost.

use std::borrow::Cow;
use std::fmt::Write as _;

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::price::PriceBook;
use witgate_messages::splice::Edit;
use witgate_messages::{Tokens, Usage};
use witgate_runtime::{Estimate, Plan};

use crate::view::View;

/// What an answer is expected to take, in tokens, when the request allows for more. The hold is settled on the true
/// amount; reserving all that a client declares would starve agents that declare 128,000.
pub(super) const EXPECTED_OUTPUT: u64 = 4096;

/// Members that what a request costs depends on.
const COSTLY: [&str; 7] = [
    "model",
    "max_tokens",
    "speed",
    "inference_geo",
    "messages",
    "system",
    "tools",
];

/// A request as it will be sent.
struct Sent<'a> {
    head: &'a Head,
    edits: &'a [Edit],
    /// The costly members that the edits set, as a body of their own; none where there are none, or where they can't be
    /// read.
    set: Option<Head>,
}

/// What a request that is no batch is expected to use. Only Messages cost tokens.
pub(crate) fn of_message(view: &View, plan: &Plan, prices: &PriceBook) -> Estimate {
    of_edited(view, &[], plan, prices)
}

/// The same for a request that is changed before it is sent.
pub(super) fn of_edited(view: &View, edits: &[Edit], plan: &Plan, prices: &PriceBook) -> Estimate {
    let (Some(head), Endpoint::Messages) = (&view.head, view.endpoint) else {
        return Estimate {
            prompt_tokens: 0,
            output_tokens: 0,
            cost_picousd: Some(0),
        };
    };
    let sent = Sent::of(head, edits);
    let prompt_tokens = sent.prompt_tokens();
    let output_tokens = sent
        .max_tokens()
        .map_or(EXPECTED_OUTPUT, |most| most.min(EXPECTED_OUTPUT));
    let planned = plan
        .targets
        .first()
        .and_then(|target| target.model.as_deref());
    let model = planned.map(Into::into).or_else(|| sent.model());
    let usage = Usage {
        tokens: Tokens {
            input: prompt_tokens,
            output: output_tokens,
            ..Tokens::default()
        },
        speed: sent.text("speed"),
        inference_geo: sent.text("inference_geo"),
        ..Usage::default()
    };
    let known = model.filter(|model| prices.model(model).is_some());
    Estimate {
        prompt_tokens,
        output_tokens,
        cost_picousd: known.map(|model| prices.cost(&model, &usage).picousd),
    }
}

// === impl Sent ===

impl<'a> Sent<'a> {
    fn of(head: &'a Head, edits: &'a [Edit]) -> Self {
        let mut body = String::new();
        for name in COSTLY {
            // Of several edits of one member the last one counts.
            if let Some(Edit::Set(_, json)) = edits.iter().rfind(|edit| edit.name() == name) {
                let separator = if body.is_empty() { '{' } else { ',' };
                // Writing to a string does not fail.
                let _ = write!(body, "{separator}\"{name}\":{json}");
            }
        }
        let set = (!body.is_empty()).then(|| Head::scan((body + "}").into()).ok());
        Self {
            head,
            edits,
            set: set.flatten(),
        }
    }

    /// The head that has this member, if any has.
    fn with(&self, name: &str) -> Option<&Head> {
        if self.edits.iter().any(|edit| edit.name() == name) {
            self.set.as_ref()
        } else {
            Some(self.head)
        }
    }

    fn model(&self) -> Option<Cow<'_, str>> {
        self.with("model")?.model()
    }

    fn max_tokens(&self) -> Option<u64> {
        self.with("max_tokens")?.max_tokens()
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.with(name)?.member(name)?).ok()
    }

    /// At least the prompt's: what an edit replaces is counted too.
    fn prompt_tokens(&self) -> u64 {
        let set = self.set.as_ref().map_or(0, Head::prompt_tokens);
        self.head.prompt_tokens().saturating_add(set)
    }
}
