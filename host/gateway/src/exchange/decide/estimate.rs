//! Estimates of what a request will use.
//!
//! An estimate is made from the head as it will be sent: a plugin's edits can change the model, the length of the response, and
//! the price of both.

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::price::PriceBook;
use witgate_messages::{Tokens, Usage};
use witgate_runtime::{Estimate, Plan};

use crate::exchange::view::{View, edit};

/// Expected output of a request that allows more, in tokens. The hold is settled with the true amount; reserving all that
/// clients declare would starve agents that declare 128,000.
const EXPECTED_OUTPUT: u64 = 4096;

/// The estimate for a request that costs nothing.
pub(crate) const NOTHING: Estimate = Estimate {
    prompt_tokens: 0,
    output_tokens: 0,
    cost_picousd: Some(0),
};

/// Returns the estimate for a request that is no batch. Only Messages cost tokens.
pub(crate) fn of_message(view: &View, plan: &Plan, prices: &PriceBook) -> Estimate {
    let (Some(head), Endpoint::Messages) = (&view.head, view.endpoint) else {
        return NOTHING;
    };
    let edited = of_first_target(head, plan);
    let head = edited.as_ref().unwrap_or(head);
    of_head(head, plan, |model, tokens| {
        if !prices.has_price(model) {
            return None;
        }
        let usage = Usage {
            tokens,
            speed: text(head, "speed"),
            inference_geo: text(head, "inference_geo"),
            ..Usage::default()
        };
        Some(prices.cost(model, &usage).picousd)
    })
}

/// Returns the estimate for a request of a batch.
pub(crate) fn of_batched(head: &Head, plan: &Plan, prices: &PriceBook) -> Estimate {
    let edited = of_first_target(head, plan);
    let head = edited.as_ref().unwrap_or(head);
    of_head(head, plan, |model, tokens| {
        prices.estimate_in_batch(model, tokens.input, tokens.output)
    })
}

/// Returns the head with the edits of the plan's first target, or `None` if there are none. One that can't be made fails later.
fn of_first_target(head: &Head, plan: &Plan) -> Option<Head> {
    let target = plan.targets.first()?;
    let edits: Vec<_> = target.edits.iter().map(edit).collect();
    (!edits.is_empty()).then(|| head.edited(&edits).ok())?
}

fn of_head(head: &Head, plan: &Plan, price: impl Fn(&str, Tokens) -> Option<u64>) -> Estimate {
    let prompt_tokens = head.prompt_tokens();
    let output_tokens = head
        .max_tokens()
        .map_or(EXPECTED_OUTPUT, |most| most.min(EXPECTED_OUTPUT));
    let planned = plan
        .targets
        .first()
        .and_then(|target| target.model.as_deref());
    let model = planned.map(Into::into).or_else(|| head.model());
    let tokens = Tokens {
        input: prompt_tokens,
        output: output_tokens,
        ..Tokens::default()
    };
    Estimate {
        prompt_tokens,
        output_tokens,
        cost_picousd: model.and_then(|model| price(&model, tokens)),
    }
}

/// Returns the string of a member, or `None`.
fn text(head: &Head, name: &str) -> Option<String> {
    serde_json::from_str(head.member(name)?).ok()
}
