//! Estimates of what a request will use.
//!
//! An estimate is made from the head as it will be sent: a plugin's edits can change the model, the length of the response, and
//! the price of both.

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::price::PriceBook;
use witgate_messages::{Tokens, Usage};
use witgate_runtime::{Estimate, Plan};

use super::reserve::{Forecast, Growth};
use crate::budgets::experience::Experience;
use crate::exchange::view::View;

/// Expected output of a request that allows more, in tokens, without experience. The hold is settled with the true amount; reserving
/// all that clients declare would starve agents that declare 128,000.
const EXPECTED_OUTPUT: u64 = 4096;

/// The estimate for a request that costs nothing.
pub(crate) const NOTHING: Estimate = Estimate {
    prompt_tokens: 0,
    output_tokens: 0,
    cost_picousd: Some(0),
};

/// Returns the forecast for a request that is no batch. `edited` is its head with the edits of the plan's first target, if there
/// are any. Only Messages cost tokens.
pub(crate) fn of_message(
    view: &View,
    edited: Option<&Head>,
    plan: &Plan,
    prices: &PriceBook,
    experience: &Experience,
) -> Forecast {
    let (Some(head), Endpoint::Messages) = (&view.head, view.endpoint) else {
        return Forecast::NOTHING;
    };
    let head = edited.unwrap_or(head);
    let forecast = of_head(head, plan, (prices, experience), |model, tokens| {
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
    });
    Forecast {
        growth: growth(head),
        ..forecast
    }
}

/// Returns the forecast for a request of a batch, as its target gets it.
pub(crate) fn of_batched(
    head: &Head,
    plan: &Plan,
    prices: &PriceBook,
    experience: &Experience,
) -> Forecast {
    of_head(head, plan, (prices, experience), |model, tokens| {
        prices.estimate_in_batch(model, tokens.input, tokens.output)
    })
}

fn of_head(
    head: &Head,
    plan: &Plan,
    (prices, experience): (&PriceBook, &Experience),
    price: impl Fn(&str, Tokens) -> Option<u64>,
) -> Forecast {
    let prompt_tokens = head.prompt_tokens();
    let declared = head.max_tokens();
    let output_tokens = declared.map_or(EXPECTED_OUTPUT, |most| most.min(EXPECTED_OUTPUT));
    let planned = plan
        .targets
        .first()
        .and_then(|target| target.model.as_deref());
    let model = planned.map(Into::into).or_else(|| head.model());
    let prompt = Tokens {
        input: prompt_tokens,
        ..Tokens::default()
    };
    let tokens = Tokens {
        output: output_tokens,
        ..prompt
    };
    let model = model.as_deref();
    let longest = || Some(prices.model(model?)?.max_output);
    Forecast {
        estimate: Estimate {
            prompt_tokens,
            output_tokens,
            cost_picousd: model.and_then(|model| price(model, tokens)),
        },
        prompt_picousd: model.and_then(|model| price(model, prompt)).unwrap_or(0),
        most_output: declared.or_else(longest).unwrap_or(EXPECTED_OUTPUT),
        kind: model.map(|model| experience.kind(model)),
        growth: Growth::Hidden,
    }
}

/// Returns whether the gateway can follow the growth of a response: a stream whose thinking is not left out.
fn growth(head: &Head) -> Growth {
    let thinking = head.member("thinking");
    let hides = |thinking: &str| thinking.contains("\"omitted\"");
    if head.stream() && !thinking.is_some_and(hides) {
        Growth::Shown
    } else {
        Growth::Hidden
    }
}

/// Returns the string of a member, or `None`.
fn text(head: &Head, name: &str) -> Option<String> {
    serde_json::from_str(head.member(name)?).ok()
}
