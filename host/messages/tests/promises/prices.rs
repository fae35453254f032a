//! Costs, to the pico-USD.

use witgate_messages::price::{Contract, ContractRates, Multiplier};
use witgate_messages::{PriceBook, PriceError, Pricing, Usage};

/// A usage in JSON, the model it is priced at, and the pico-USD it costs; none when there is no price for all of it.
const TABLE: &[(&str, &str, &str, Option<u64>)] = &[
    (
        "input and output",
        "claude-opus-5-5",
        r#"{"input_tokens":1000,"output_tokens":100}"#,
        Some(6_000_000_000),
    ),
    (
        "an explicit zero",
        "claude-opus-5-5",
        r#"{"input_tokens":0,"output_tokens":0}"#,
        Some(0),
    ),
    (
        "a cache read",
        "claude-sonnet-5-5",
        r#"{"cache_read_input_tokens":1}"#,
        Some(100_000),
    ),
    (
        "a cache read that is not a tenth",
        "claude-fable-5-1",
        r#"{"cache_read_input_tokens":1}"#,
        Some(250_000),
    ),
    (
        "writes without a split are for 5 minutes",
        "claude-opus-5",
        r#"{"cache_creation_input_tokens":100}"#,
        Some(625_000_000),
    ),
    (
        "writes with a split",
        "claude-opus-5",
        r#"{"cache_creation_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":60,"ephemeral_1h_input_tokens":40}}"#,
        Some(60 * 6_250_000 + 40 * 10_000_000),
    ),
    (
        "thinking is part of the output",
        "claude-opus-5",
        r#"{"output_tokens":10,"output_tokens_details":{"thinking_tokens":9}}"#,
        Some(250_000_000),
    ),
    (
        "the cheap band ends at 100,000",
        "claude-haiku-5-5",
        r#"{"input_tokens":40000,"cache_read_input_tokens":50000,"cache_creation_input_tokens":10000,"output_tokens":10}"#,
        Some(40_000 * 100_000 + 50_000 * 10_000 + 10_000 * 125_000 + 10 * 500_000),
    ),
    (
        "a token more puts all in the dear band",
        "claude-haiku-5-5",
        r#"{"input_tokens":40001,"cache_read_input_tokens":50000,"cache_creation_input_tokens":10000,"output_tokens":10}"#,
        Some(40_001 * 500_000 + 50_000 * 50_000 + 10_000 * 625_000 + 10 * 2_500_000),
    ),
    (
        "bands hold for each iteration",
        "claude-haiku-5-5",
        r#"{"input_tokens":160000,"output_tokens":20,"iterations":[{"type":"message","input_tokens":60000,"output_tokens":10},{"type":"message","input_tokens":100000,"output_tokens":10}]}"#,
        Some(160_000 * 100_000 + 20 * 500_000),
    ),
    (
        "iterations that don't add up are not used",
        "claude-haiku-5-5",
        r#"{"input_tokens":160001,"output_tokens":20,"iterations":[{"type":"message","input_tokens":60000,"output_tokens":10},{"type":"message","input_tokens":100000,"output_tokens":10}]}"#,
        Some(160_001 * 500_000 + 20 * 2_500_000),
    ),
    (
        "compaction comes on top",
        "claude-opus-5-5",
        r#"{"input_tokens":10,"output_tokens":10,"iterations":[{"type":"compaction","input_tokens":1000,"output_tokens":100},{"type":"message","input_tokens":10,"output_tokens":10}]}"#,
        Some(10 * 4_000_000 + 10 * 20_000_000 + 1000 * 4_000_000 + 100 * 20_000_000),
    ),
    (
        "a fallback is priced at its own model",
        "claude-fable-5-2",
        r#"{"input_tokens":30,"output_tokens":12,"iterations":[{"type":"message","input_tokens":10,"output_tokens":2},{"type":"fallback_message","model":"claude-opus-5-5","input_tokens":20,"output_tokens":10}]}"#,
        Some(10 * 8_000_000 + 2 * 40_000_000 + 20 * 4_000_000 + 10 * 20_000_000),
    ),
    (
        "an advisor outside the top level comes on top",
        "claude-sonnet-5-5",
        r#"{"input_tokens":30,"output_tokens":12,"iterations":[{"type":"message","input_tokens":30,"output_tokens":12},{"type":"advisor_message","model":"claude-opus-5","input_tokens":20,"output_tokens":10}]}"#,
        Some(30 * 2_000_000 + 12 * 10_000_000 + 20 * 5_000_000 + 10 * 25_000_000),
    ),
    (
        "an advisor inside the top level is priced once",
        "claude-sonnet-5-5",
        r#"{"input_tokens":50,"output_tokens":22,"iterations":[{"type":"message","input_tokens":30,"output_tokens":12},{"type":"advisor_message","model":"claude-opus-5","input_tokens":20,"output_tokens":10}]}"#,
        Some(30 * 2_000_000 + 12 * 10_000_000 + 20 * 5_000_000 + 10 * 25_000_000),
    ),
    (
        "fast mode",
        "claude-opus-5-5",
        r#"{"input_tokens":1,"output_tokens":1,"speed":"fast"}"#,
        Some(48_000_000),
    ),
    (
        "a batch halves and is never fast",
        "claude-opus-5-5",
        r#"{"input_tokens":1,"output_tokens":1,"speed":"fast","service_tier":"batch"}"#,
        Some(12_000_000),
    ),
    (
        "US inference",
        "claude-opus-5-5",
        r#"{"input_tokens":1,"cache_read_input_tokens":1,"inference_geo":"us"}"#,
        Some(4_620_000),
    ),
    (
        "other places cost nothing more",
        "claude-opus-5-5",
        r#"{"input_tokens":1,"inference_geo":"global"}"#,
        Some(4_000_000),
    ),
    (
        "web searches, which geography leaves alone",
        "claude-opus-5-5",
        r#"{"input_tokens":1,"inference_geo":"us","server_tool_use":{"web_search_requests":3,"web_fetch_requests":5}}"#,
        Some(4_400_000 + 3 * 10_000_000_000),
    ),
    (
        "a dated id",
        "claude-haiku-4-5-20251001",
        r#"{"input_tokens":1}"#,
        Some(1_000_000),
    ),
    (
        "an id with a date that the book has not",
        "claude-sonnet-5-20260101",
        r#"{"input_tokens":1}"#,
        Some(2_000_000),
    ),
    (
        "a dated id of another name",
        "claude-sonnet-4-20250514",
        r#"{"input_tokens":1}"#,
        Some(3_000_000),
    ),
    (
        "a context suffix",
        "claude-opus-5-5[1m]",
        r#"{"input_tokens":1}"#,
        Some(4_000_000),
    ),
    (
        "an unknown model",
        "claude-next",
        r#"{"input_tokens":1}"#,
        None,
    ),
    (
        "a provider's id",
        "us.anthropic.claude-opus-5-5",
        r#"{"input_tokens":1}"#,
        None,
    ),
    (
        "a fast mode without a price",
        "claude-haiku-4-5",
        r#"{"input_tokens":1,"speed":"fast"}"#,
        None,
    ),
    (
        "an advisor without a price",
        "claude-opus-5",
        r#"{"input_tokens":1,"iterations":[{"type":"message","input_tokens":1},{"type":"advisor_message","model":"x","input_tokens":1}]}"#,
        None,
    ),
];

#[test]
fn usages_cost_what_the_price_list_says() {
    let book = PriceBook::builtin();
    for (what, model, usage, wanted) in TABLE {
        let usage = Usage::parse(usage.as_bytes()).expect("a usage");
        let cost = book.cost(model, &usage);
        let priced = (cost.pricing == Pricing::Priced).then_some(cost.picousd);
        assert_eq!(priced, *wanted, "{what}");
    }
}

/// A contract about all models.
fn contract(multiplier: Option<&str>) -> Contract {
    Contract {
        models: vec!["*".into()],
        service_tier: None,
        multiplier: multiplier.map(|text| Multiplier::parse(text).expect("a factor")),
        rates: None,
    }
}

#[test]
fn every_model_costs_what_an_independent_table_says_to_the_pico() {
    let table: serde_json::Value =
        serde_json::from_slice(include_bytes!("prices/table.json")).unwrap();
    let book = PriceBook::builtin();
    let mut models = std::collections::HashSet::new();
    for row in table.as_array().unwrap() {
        let (name, model) = (&row["name"], row["model"].as_str().unwrap());
        let usage = Usage::parse(row["usage"].to_string().as_bytes()).expect("a usage");
        let multiplier = row["multiplier"].as_str();
        let book = match multiplier {
            Some(_) => &book.under(&[contract(multiplier)]),
            None => &book,
        };
        let cost = book.cost(model, &usage);
        assert_eq!(cost.pricing, Pricing::Priced, "{model}: {name}");
        assert_eq!(
            Some(cost.picousd),
            row["picousd"].as_u64(),
            "{model}: {name}"
        );
        models.insert(model.to_owned());
    }
    for id in book.ids() {
        assert!(models.contains(id), "{id} is in the table");
    }
}

#[test]
fn contracts_change_the_prices_of_their_models_and_tiers_alone() {
    let rates = ContractRates {
        input: ContractRates::price("1.5").unwrap(),
        output: ContractRates::price("2").unwrap(),
        cache_write_5m: 0,
        cache_write_1h: 0,
        cache_read: 0,
    };
    let contracts = [
        Contract {
            models: vec!["claude-opus-*".into()],
            ..contract(Some("0.5"))
        },
        Contract {
            service_tier: Some("priority".into()),
            ..contract(Some("3"))
        },
        Contract {
            models: vec!["claude-haiku-5-5".into()],
            rates: Some(rates),
            ..contract(None)
        },
    ];
    let book = PriceBook::builtin().under(&contracts);
    let cost = |model: &str, more: &str| {
        let usage = format!(r#"{{"input_tokens":1000{more}}}"#);
        book.cost(model, &Usage::parse(usage.as_bytes()).unwrap())
    };
    let priority = r#","service_tier":"priority""#;
    for (model, more, wanted) in [
        ("claude-opus-5", "", 2_500_000_000),
        ("claude-sonnet-5", "", 2_000_000_000),
        ("claude-opus-5", priority, 15_000_000_000),
        ("claude-sonnet-5", priority, 6_000_000_000),
        ("claude-haiku-5-5", "", 1_500_000_000),
        ("claude-haiku-5-5", priority, 4_500_000_000),
    ] {
        assert_eq!(cost(model, more).picousd, wanted, "{model} {more}");
    }
    assert_eq!(
        book.estimate("claude-opus-5", 1000, 0),
        Some(2_500_000_000),
        "an estimate has the contract's price, too"
    );
    assert!(Multiplier::parse("-1").is_none(), "no factor");
    assert!(Multiplier::parse("1000.1").is_none(), "too large");
}

#[test]
fn an_unknown_model_costs_what_the_configured_one_does_and_says_so() {
    let book = PriceBook::builtin();
    assert!(
        book.clone().with_unknown_as("nothing").is_none(),
        "no such model"
    );
    let book = book.with_unknown_as("claude-opus-5").expect("a model");
    let usage = Usage::parse(br#"{"input_tokens":1000}"#).unwrap();
    let cost = book.cost("claude-next", &usage);
    assert_eq!(
        (cost.picousd, cost.pricing),
        (5_000_000_000, Pricing::Unpriced),
        "counted, and marked"
    );
    assert_eq!(
        book.estimate("claude-next", 1000, 0),
        Some(5_000_000_000),
        "expected, too"
    );
    assert!(book.has_price("claude-next") && book.model("claude-next").is_none());
}

#[test]
fn an_unpriced_answer_says_what_could_be_priced() {
    let book = PriceBook::builtin();
    let usage = Usage::parse(br#"{"input_tokens":1,"speed":"fast"}"#).unwrap();
    let cost = book.cost("claude-haiku-4-5", &usage);
    assert_eq!(
        (cost.picousd, cost.pricing),
        (1_000_000, Pricing::Unpriced),
        "the standard price is a part of it"
    );
}

#[test]
fn absurd_counts_saturate() {
    let usage = Usage::parse(br#"{"input_tokens":18446744073709551615,"output_tokens":18446744073709551615,"cache_creation_input_tokens":18446744073709551615,"inference_geo":"us","server_tool_use":{"web_search_requests":18446744073709551615}}"#).unwrap();
    assert_eq!(
        PriceBook::builtin().cost("claude-opus-5", &usage).picousd,
        u64::MAX,
        "and never wrap"
    );
}

#[test]
fn the_builtin_book_knows_every_model_of_its_file() {
    let file: serde_json::Value =
        serde_json::from_slice(include_bytes!("../../prices.json")).unwrap();
    let book = PriceBook::builtin();
    for model in file["models"].as_array().unwrap() {
        for id in [&model["id"], &model["api_id"]] {
            let id = id.as_str().unwrap();
            assert_eq!(
                book.model(id).map(|model| model.id.as_str()),
                model["id"].as_str(),
                "{id}"
            );
            assert!(
                book.estimate(id, 1000, 10).is_some_and(|cost| cost > 0),
                "{id} costs something"
            );
        }
    }
    assert_eq!(
        book.estimate("claude-haiku-5-5", 100_001, 1),
        Some(100_001 * 500_000 + 2_500_000),
        "bands count"
    );
    assert_eq!(
        book.estimate("unknown", 1, 1),
        None,
        "no price, no estimate"
    );
}

#[test]
fn a_price_file_with_a_mistake_is_refused() {
    let file = std::str::from_utf8(include_bytes!("../../prices.json")).unwrap();
    for (from, to) in [
        ("\"input\": 0.8", "\"input\": -0.8"),
        ("\"input\": 0.8", "\"input\": 0.00000001"),
        ("\"input\": 0.8", "\"input\": \"0.8\""),
        ("\"cache_read\": 0.08", "\"cache_raed\": 0.08"),
        ("\"batch_multiplier\": 0.5,", ""),
    ] {
        let error = PriceBook::parse(file.replacen(from, to, 1).as_bytes()).expect_err(to);
        assert!(matches!(error, PriceError::Unreadable(_)), "{to}: {error}");
    }
    let twice = file.replacen(
        "\"id\": \"claude-opus-5\"",
        "\"id\": \"claude-opus-5-5\"",
        1,
    );
    let error = PriceBook::parse(twice.as_bytes()).expect_err("one id, two prices");
    assert!(matches!(error, PriceError::Duplicate { .. }), "{error}");
}
