//! A batch is read as a plain reader reads it, however its bytes come.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::price::Pricing;
use crate::usage::Usage;

fn scan(body: &Value) -> Result<Batch, Malformed> {
    scan_text(&body.to_string())
}

fn scan_text(body: &str) -> Result<Batch, Malformed> {
    Batch::scan(&Head::scan(Bytes::copy_from_slice(body.as_bytes()))?)
}

fn request(model: &str, max_tokens: u64, text: &str) -> Value {
    json!({"custom_id": "a", "params": {
        "model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": text}],
    }})
}

#[test]
fn a_batch_is_expected_to_cost_half_of_what_its_requests_would() {
    let book = PriceBook::builtin();
    let requests = [
        request("claude-haiku-4-5", 100, "one"),
        request("claude-opus-4-8", 1_000_000, "two of them"),
        request("claude-haiku-4-5", 0, "three"),
    ];
    let batch = scan(&json!({"requests": requests})).unwrap();
    assert_eq!(batch.len(), 3, "every request is there");
    assert_eq!(
        batch.models().collect::<Vec<_>>(),
        ["claude-haiku-4-5", "claude-opus-4-8"],
        "each model once"
    );
    let expected = batch.expected(&book, 4096);
    let alone = requests.iter().map(|request| {
        let params = Bytes::from(request["params"].to_string());
        let head = Head::scan(params).unwrap();
        let output = head.max_tokens().unwrap().min(4096);
        let model = head.model().unwrap();
        let cost = book.estimate(&model, head.prompt_tokens(), output).unwrap();
        (head.prompt_tokens(), output, cost.div_ceil(2))
    });
    let sum = alone.fold((0, 0, 0), |sum, one| {
        (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2)
    });
    assert_eq!(
        (
            expected.prompt_tokens,
            expected.output_tokens,
            expected.picousd
        ),
        (sum.0, sum.1, Some(sum.2)),
        "the sum over the requests, at half the price"
    );
}

#[test]
fn a_model_without_a_price_leaves_the_cost_unknown() {
    let requests = [
        request("claude-haiku-4-5", 1, "a"),
        request("nobody-knows", 1, "a"),
    ];
    let batch = scan(&json!({"requests": requests})).unwrap();
    let expected = batch.expected(&PriceBook::builtin(), 10);
    assert_eq!(expected.picousd, None, "never zero in silence");
    assert!(expected.prompt_tokens > 0, "tokens are known all the same");
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused_with_its_place() {
    let twice = r#"{"requests":[{"custom_id":"a","params":{"model":"x","mod\u0065l":"y"}}]}"#;
    let error = scan_text(twice).unwrap_err();
    assert_eq!(
        error.kind,
        MalformedKind::Duplicate {
            name: "model".into()
        },
        "a member of the params that comes twice"
    );
    assert_eq!(
        Some(error.offset),
        twice.find("\"mod\\u0065l"),
        "counted in the whole body"
    );
    for (body, what) in [
        (r#"{"requests":{}}"#, "requests is no array"),
        (r#"{"requests":null}"#, "requests is null"),
        ("{}", "no requests"),
        (r#"{"requests":[1]}"#, "a request is no object"),
        (r#"{"requests":[{"custom_id":"a"}]}"#, "no params"),
        (
            r#"{"requests":[{"custom_id":"a","params":[]}]}"#,
            "params are an array",
        ),
        (
            r#"{"requests":[{"custom_id":"a","params":{},"p\u0061rams":{}}]}"#,
            "params twice",
        ),
        (
            r#"{"requests":[{"custom_id":"a","params":{}} {"custom_id":"b","params":{}}]}"#,
            "no comma between two requests",
        ),
        (
            r#"{"requests":[{"custom_id":"a","params":{}},]}"#,
            "a comma with nothing behind it",
        ),
    ] {
        assert!(scan_text(body).is_err(), "{what} is refused: {body}");
    }
    let empty = scan_text(r#"{"requests":[ ]}"#).unwrap();
    assert!(
        empty.is_empty(),
        "an empty batch is the upstream's to refuse"
    );
}

#[test]
fn a_batch_of_too_many_requests_is_refused() {
    let many = |count| {
        let one = r#"{"custom_id":"","params":{}}"#;
        scan_text(&format!(
            "{{\"requests\":[{}]}}",
            vec![one; count].join(",")
        ))
    };
    assert_eq!(many(MAX_REQUESTS).unwrap().len(), MAX_REQUESTS, "the most");
    assert_eq!(
        many(MAX_REQUESTS + 1).unwrap_err().kind,
        MalformedKind::TooManyRequests {
            limit: MAX_REQUESTS
        },
        "one more"
    );
}

fn lines() -> String {
    let message = |model: &str, usage: Value| {
        json!({"type": "succeeded", "message": {
            "id": "msg_1", "model": model, "content": [{"type": "text", "text": "line\nfeed \"},{ ü"}], "usage": usage,
        }})
    };
    let results = [
        message(
            "claude-haiku-4-5",
            json!({"input_tokens": 1001, "output_tokens": 7, "cache_read_input_tokens": 3, "service_tier": "batch"}),
        ),
        json!({"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}}),
        message(
            "claude-opus-4-8",
            json!({"input_tokens": 5, "output_tokens": 9, "cache_creation_input_tokens": 11,
                   "server_tool_use": {"web_search_requests": 2}}),
        ),
        json!({"type": "canceled"}),
        json!({"type": "expired"}),
        message(
            "claude-haiku-4-5",
            json!({"input_tokens": 1, "output_tokens": 0}),
        ),
    ];
    let mut text = String::new();
    for (index, result) in results.iter().enumerate() {
        let line = json!({"custom_id": format!("r{index}"), "result": result}).to_string();
        text += &line;
        // Line feeds, returns before them, an empty line, and none at the end.
        text += match index {
            1 => "\r\n",
            2 => "\n\n",
            5 => "",
            _ => "\n",
        };
    }
    text
}

/// The same by way of a JSON tree.
fn plainly(text: &str, book: &PriceBook) -> Totals {
    let mut totals = Totals::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let result = &line["result"];
        match result["type"].as_str().unwrap() {
            "succeeded" => {
                let mut usage =
                    Usage::parse(result["message"]["usage"].to_string().as_bytes()).unwrap();
                usage.service_tier = Some("batch".into());
                let model = result["message"]["model"].as_str().unwrap();
                let cost = book.cost(model, &usage).picousd;
                totals.succeeded += 1;
                totals.picousd += cost;
                totals.web_searches += usage.web_searches;
                totals.tokens = totals.tokens.plus(&usage.tokens);
                let of = totals.models.entry(model.into()).or_default();
                of.messages += 1;
                of.picousd += cost;
                of.tokens = of.tokens.plus(&usage.tokens);
            }
            "errored" => totals.errored += 1,
            "canceled" => totals.canceled += 1,
            _ => totals.expired += 1,
        }
    }
    totals
}

fn metered(book: &Arc<PriceBook>, parts: &[&[u8]]) -> Totals {
    let mut results = Results::new(Arc::clone(book));
    parts.iter().for_each(|part| results.feed(part));
    results.finish()
}

#[test]
fn results_split_anywhere_come_to_what_a_plain_reader_finds() {
    let book = Arc::new(PriceBook::builtin());
    let text = lines();
    let wanted = plainly(&text, &book);
    assert_eq!(
        (wanted.succeeded, wanted.requests()),
        (3, 6),
        "the example has every kind"
    );
    let bytes = text.as_bytes();
    for split in 0..=bytes.len() {
        let (one, two) = bytes.split_at(split);
        assert_eq!(metered(&book, &[one, two]), wanted, "split at {split}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(metered(&book, &single), wanted, "byte by byte");
}

#[test]
fn tokens_are_billed_at_half_and_searches_in_full() {
    let book = Arc::new(PriceBook::builtin());
    let totals = metered(&book, &[lines().as_bytes()]);
    // Haiku 4.5: 1, 5 and 0.10 USD per million tokens of input, output and cache read.
    let haiku = (1001 * 1_000_000 + 7 * 5_000_000 + 3 * 100_000_u64).div_ceil(2) + 500_000;
    // Opus 4.8: 5, 25 and 6.25 USD; searches are 10 USD a thousand.
    let opus = (5 * 5_000_000 + 9 * 25_000_000 + 11 * 6_250_000_u64).div_ceil(2);
    assert_eq!(
        totals.picousd,
        haiku + opus + 2 * 10_000_000_000,
        "to the pico"
    );
    assert_eq!(
        totals.usage().service_tier.as_deref(),
        Some("batch"),
        "and says why"
    );
}

#[test]
fn a_line_that_cannot_be_read_is_counted_and_costs_only_itself() {
    let book = Arc::new(PriceBook::builtin());
    let good = json!({"custom_id": "a", "result": {"type": "canceled"}}).to_string();
    let unknown = json!({"custom_id": "a", "result": {"type": "postponed"}}).to_string();
    let unmetered =
        json!({"custom_id": "a", "result": {"type": "succeeded", "message": {}}}).to_string();
    let cut = good.get(..good.len() - 2).unwrap();
    let text = format!("{good}\nnot json\n{unknown}\n{unmetered}\n{good}\n{cut}");
    let totals = metered(&book, &[text.as_bytes()]);
    assert_eq!((totals.canceled, totals.unread), (2, 4), "{totals:?}");

    let mut results = Results::new(Arc::clone(&book));
    let block = vec![b'x'; 1 << 20];
    (0..40).for_each(|_| results.feed(&block));
    assert!(
        results.line.len() <= 32 << 20,
        "memory of a line is bounded"
    );
    results.feed(b"\n");
    results.feed(good.as_bytes());
    let totals = results.finish();
    assert_eq!((totals.canceled, totals.unread), (1, 1), "{totals:?}");
}

#[test]
fn a_message_of_a_model_without_a_price_is_never_free_in_silence() {
    let book = Arc::new(PriceBook::builtin());
    let line = json!({"custom_id": "a", "result": {"type": "succeeded", "message":
        {"model": "nobody-knows", "usage": {"input_tokens": 1, "output_tokens": 1}}}});
    let totals = metered(&book, &[line.to_string().as_bytes()]);
    assert_eq!(totals.cost().pricing, Pricing::Unpriced, "it says so");
}

#[test]
fn requests_that_say_something_else_to_a_policy_are_not_alike_although_they_have_one_length() {
    for (one, other) in [
        (
            r#""fallbacks":[{"model":"a"}]"#,
            r#""fallbacks":[{"model":"b"}]"#,
        ),
        (
            r#""tools":[{"name":"a","model":"a"}]"#,
            r#""tools":[{"name":"a","model":"b"}]"#,
        ),
        (r#""fallbacks":[{"a":"b"}]"#, r#""fallbacks":"abcdefghi""#),
        (r#""max_tokens":null"#, r#""max_tokens":"99""#),
    ] {
        let request =
            |more: &str| format!(r#"{{"custom_id":"x","params":{{"model":"m",{more}}}}}"#);
        let (one, other) = (request(one), request(other));
        assert_eq!(one.len(), other.len(), "the one hides behind the other");
        let body = format!(r#"{{"requests":[{one},{other},{one}]}}"#);
        let head = Head::scan(Bytes::from(body)).unwrap();
        let batch = Batch::scan(&head).unwrap();
        assert_eq!(batch.kinds().len(), 2, "{one} and {other}");
    }
}
