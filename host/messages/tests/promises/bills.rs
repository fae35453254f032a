//! The cost of each recorded answer, to the pico-USD: by hand, by a plain bill, and by the crate.

use serde_json::Value;
use witgate_messages::{Meter, PriceBook, Pricing};

use crate::corpus::{self, Kind};
use crate::plain::{self, Plain, number};

const MTOK: u128 = 1_000_000;
const SEARCH: u128 = 10_000_000_000;

/// Each fixture's cost, added up by hand: so many tokens at so many USD a million tokens.
#[rustfmt::skip]
const BY_HAND: &[(&str, u128)] = &[
    ("advisor", (95 * 2 + 40 * 10 + 823 * 8 + 1612 * 40 + 28 * 10 + 100 * 16) * MTOK + 64 * 200_000),
    ("answer", (12 * 5 + 2000 * 10 + 31 * 25) * MTOK * 11 / 10 + (1000 * 6_250_000 + 9000 * 500_000) * 11 / 10 + 2 * SEARCH),
    ("answer_batch", ((101 * 2 + 7 * 10) * MTOK + 3 * 2_500_000 + 5 * 100_000) / 2),
    ("answer_iterations", (23_000 * 4 + 1000 * 20 + 180_000 * 4 + 3500 * 20) * MTOK),
    ("answer_zero", 0),
    ("cache_late", (9 * 8 + 2048 * 10 + 77 * 40) * MTOK + 65_536 * 200_000),
    ("cache_split", (12 * 5 + 2000 * 10 + 31 * 25) * MTOK + 1000 * 6_250_000 + 9000 * 500_000),
    ("compaction", (23_000 * 4 + 1000 * 20 + 180_000 * 4 + 3500 * 20) * MTOK),
    ("error", 0),
    ("error_after", (25 * 4 + 4 * 20) * MTOK),
    ("error_before", 25 * 4 * MTOK),
    ("fallback", (410 * 8 + 9 * 40 + 430 * 4 + 54 * 20) * MTOK + 100 * 200_000),
    ("fast", (1000 * 8 + 11 * 40 + 100 * 10 + 300 * 16) * MTOK + 200 * 400_000),
    ("geo_us", 109_120_000 + SEARCH),
    ("haiku_at_100k", 40_000 * 100_000 + 4000 * 125_000 + 6000 * 200_000 + 50_000 * 10_000 + 20 * 500_000),
    ("haiku_over_100k", 40_001 * 500_000 + 4000 * 625_000 + 6000 * 1_000_000 + 50_000 * 50_000 + 20 * 2_500_000),
    ("huge", (25 * 4 + 7000 * 20) * MTOK),
    ("refusal", (25 * 4 + 4 * 20) * MTOK),
    ("server_tools", (4711 * 4 + 132 * 20) * MTOK),
    ("text", (25 * 4 + 12 * 20) * MTOK),
    ("text_cr", (25 * 4 + 12 * 20) * MTOK),
    ("text_crlf", (25 * 4 + 12 * 20) * MTOK),
    ("thinking", (310 * 2 + 58 * 10) * MTOK),
    ("tiny", (7 + 5 * 5) * MTOK),
    ("tiny_cr", (7 + 5 * 5) * MTOK),
    ("tiny_crlf", (7 + 5 * 5) * MTOK),
    ("tools", (472 * 2 + 97 * 10) * MTOK),
    ("two_deltas", (25 * 4 + 61 * 20) * MTOK),
    ("unicode", (25 * 4 + 44 * 20) * MTOK),
    ("unknown", (25 * 4 + 17 * 20) * MTOK),
    ("web_search", (10_682 * 2 + 510 * 10) * MTOK + 3 * SEARCH),
    ("zero", 0),
];

#[test]
fn every_recorded_answer_costs_what_it_costs_by_hand_to_the_pico() {
    let book = PriceBook::builtin();
    let mut priced = 0;
    for recorded in corpus::all() {
        let Some((_, wanted)) = BY_HAND.iter().find(|(name, _)| *name == recorded.name) else {
            assert!(
                recorded.name.ends_with("of the tests"),
                "{} has a cost by hand",
                recorded.name
            );
            continue;
        };
        let (mut meter, plain) = match recorded.kind {
            Kind::Sse => (Meter::sse(), plain::stream(&recorded.body)),
            Kind::Json => (Meter::json(), plain::answer(&recorded.body).expect("whole")),
        };
        assert_eq!(bill(&plain), *wanted, "{}: the plain bill", recorded.name);
        meter.feed(&recorded.body);
        let reading = meter.finish();
        let cost = book.cost(reading.model.as_deref().unwrap_or_default(), &reading.usage);
        let all = cost.pricing == Pricing::Priced || reading.model.is_none();
        assert!(all, "{}: everything has a price", recorded.name);
        assert_eq!(u128::from(cost.picousd), *wanted, "{}", recorded.name);
        priced += 1;
    }
    assert_eq!(priced, BY_HAND.len(), "every line of the table was used");
}

/// The file's prices, as trees.
fn prices() -> Value {
    serde_json::from_slice(include_bytes!("../../prices.json")).expect("JSON")
}

/// The bill of a whole answer, by the rules of the price list: the entries of `iterations` where they add up, else the
/// top level; compactions and advisors beside it, since the top level has neither.
fn bill(plain: &Plain) -> u128 {
    let Some(model) = plain.model.as_deref() else {
        return 0;
    };
    let usage = Value::Object(plain.usage.clone());
    let entries: Vec<&Value> = usage["iterations"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let (beside, own): (Vec<&Value>, Vec<&Value>) = entries.iter().copied().partition(|entry| {
        matches!(
            entry["type"].as_str(),
            Some("compaction" | "advisor_message")
        )
    });
    let counts = [
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
    ];
    let adds_up = !own.is_empty()
        && counts.iter().all(|count| {
            let sum: u64 = own.iter().map(|entry| number(entry, count)).sum();
            sum == number(&usage, count)
        });
    let fast = usage["speed"] == "fast";
    let mut top = usage.clone();
    if plain.counted.is_none() {
        // Nothing was reported: what was delivered stands for it. The fixtures' texts need no escapes.
        top["output_tokens"] = plain.uncounted.at_least.div_ceil(4).into();
    }
    let main: Vec<&Value> = if adds_up { own } else { vec![&top] };
    let mut sum = 0;
    for entry in main.into_iter().chain(beside) {
        let served = entry["model"].as_str().unwrap_or(model);
        sum += price(served, entry, fast && served == model);
    }
    if usage["inference_geo"] == "us" {
        sum = (sum * 11).div_ceil(10);
    }
    if usage["service_tier"] == "batch" {
        sum = sum.div_ceil(2);
    }
    sum + u128::from(number(&usage["server_tool_use"], "web_search_requests")) * SEARCH
}

/// Pico-USD for the tokens of one entry.
fn price(model: &str, entry: &Value, fast: bool) -> u128 {
    let prices = prices();
    let models = prices["models"].as_array().expect("a list");
    let found = models.iter().find(|known| known["id"] == model);
    let found = found.expect("the fixtures' models have prices");
    let mut rates = if fast {
        &found["fast_usd_per_mtok"]
    } else {
        &found["usd_per_mtok"]
    };
    let writes = number(entry, "cache_creation_input_tokens");
    let hour = number(&entry["cache_creation"], "ephemeral_1h_input_tokens");
    let reads = number(entry, "cache_read_input_tokens");
    let input = number(entry, "input_tokens");
    let long = &rates["long_prompt"];
    let bound = pico(&long["above_prompt_tokens"]) / MTOK;
    if long.is_object() && u128::from(input + writes + reads) > bound {
        rates = long;
    }
    [
        (input, "input"),
        (number(entry, "output_tokens"), "output"),
        (writes - hour, "cache_write_5m"),
        (hour, "cache_write_1h"),
        (reads, "cache_read"),
    ]
    .into_iter()
    .map(|(count, kind)| u128::from(count) * pico(&rates[kind]))
    .sum()
}

/// USD a million tokens, as pico-USD a token: the decimal text with its point moved six places.
fn pico(value: &Value) -> u128 {
    let text = value.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{fraction:0<6}").parse().unwrap_or(0)
}
