//! What a request is expected to use, before anybody has answered it.

use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::price::PriceBook;
use witgate_runtime::{Estimate, Plan};

use crate::view::View;

/// What an answer is expected to take, in tokens, when the request allows for more. The hold is settled on the true
/// amount; reserving all that a client declares would starve agents that declare 128,000.
const EXPECTED_OUTPUT: u64 = 4096;

/// What a request that is no batch is expected to use. Only Messages cost tokens.
pub(crate) fn of_message(view: &View, plan: &Plan, prices: &PriceBook) -> Estimate {
    let (Some(head), Endpoint::Messages) = (&view.head, view.endpoint) else {
        return Estimate {
            prompt_tokens: 0,
            output_tokens: 0,
            cost_picousd: Some(0),
        };
    };
    of_head(head, plan, |model, prompt, output| {
        prices.estimate(model, prompt, output)
    })
}

/// What a request with this head is expected to use in a batch.
pub(super) fn of_batched(head: &Head, plan: &Plan, prices: &PriceBook) -> Estimate {
    of_head(head, plan, |model, prompt, output| {
        prices.estimate_in_batch(model, prompt, output)
    })
}

fn of_head(head: &Head, plan: &Plan, price: impl Fn(&str, u64, u64) -> Option<u64>) -> Estimate {
    let prompt_tokens = head.prompt_tokens();
    let output_tokens = head
        .max_tokens()
        .map_or(EXPECTED_OUTPUT, |most| most.min(EXPECTED_OUTPUT));
    let planned = plan
        .targets
        .first()
        .and_then(|target| target.model.as_deref());
    let model = planned.map(Into::into).or_else(|| head.model());
    let cost_picousd = model.and_then(|model| price(&model, prompt_tokens, output_tokens));
    Estimate {
        prompt_tokens,
        output_tokens,
        cost_picousd,
    }
}
