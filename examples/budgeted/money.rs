//! The money of a request: what it may use, and what it has used.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use witgate_ledger::{Amounts, Charge, Hold, Ledger, OnShortfall, Unit, UnixMillis, Window};
use witgate_messages::{Meter, PriceBook};
use witgate_runtime::{Estimate, PlainRequest, PluginCharge};

/// Returns the estimate of the request's use that budget hooks are told.
pub(crate) fn estimate(request: &PlainRequest, prices: &PriceBook) -> Estimate {
    let head = &request.head;
    let output_tokens = head.max_tokens.unwrap_or(4096);
    let model = head.model.as_deref().unwrap_or_default();
    Estimate {
        prompt_tokens: head.prompt_tokens,
        output_tokens,
        cost_picousd: prices.estimate(model, head.prompt_tokens, output_tokens),
    }
}

/// Reserves all charges or none, in the room of the request's tenant. Where one does not fit, [`Lineup::exhausted`](witgate_runtime::Lineup::exhausted) asks
/// its plugin what to do; here the request is refused.
pub(crate) fn reserve(
    ledger: &Arc<Ledger>,
    charges: &[PluginCharge],
    tenant: &str,
) -> anyhow::Result<Hold> {
    let charges = charges.iter().map(|named| charge(&named.charge));
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    Ok(ledger.reserve(
        charges.collect::<Result<_, _>>()?,
        tenant,
        UnixMillis(u64::try_from(now)?),
    )?)
}

/// The ledger's charge for the plugin's.
fn charge(named: &witgate_runtime::Charge) -> anyhow::Result<Charge> {
    Ok(Charge {
        account: named.account.as_str().into(),
        window: Window::parse(named.window.code())?,
        unit: Unit::parse(named.unit.code())?,
        limit: named.limit,
        amount: named.amount,
        shortfall: OnShortfall::Refuse,
    })
}

/// Returns the usage of an answer, for the hold to be settled on. Of a stream it is `Meter::sse`, fed as the bytes pass, and
/// [`Hold::extend`] raises the hold meanwhile.
pub(crate) fn used(answer: &str, prices: &PriceBook) -> Amounts {
    let mut meter = Meter::json();
    meter.feed(answer.as_bytes());
    let reading = meter.finish();
    let model = reading.model.as_deref().unwrap_or_default();
    let tokens = &reading.usage.tokens;
    Amounts {
        picousd: prices.cost(model, &reading.usage).picousd,
        tokens: tokens.total(),
        // As the provider counts its own limits: what a cache gave is no input.
        input_tokens: tokens.input + tokens.cache_write,
        output_tokens: tokens.output,
        cached_tokens: tokens.cache_read,
        requests: 1,
    }
}
