mod accounts;

use witgate_plugin::testing::{self, RequestBuilder};
use witgate_plugin::types::{Envelope, Plan, Rest, Unit, Window};

use super::*;

const ESTIMATE: Estimate = Estimate {
    prompt_tokens: 100,
    output_tokens: 50,
    cost_picousd: Some(7),
};

fn plugin(settings: &str) -> BudgetPlugin {
    testing::configure(settings).unwrap()
}

fn request() -> RequestBuilder {
    RequestBuilder::messages().caller(|caller| {
        caller.key_id = "k1".to_owned();
        caller.tier = Some("free".to_owned());
    })
}

fn charges(
    settings: &str,
    request: RequestBuilder,
    estimate: &Estimate,
) -> Result<Vec<Charge>, Refusal> {
    let envelope = Envelope {
        tenant: Some("acme".to_owned()),
        metadata: vec![("team".to_owned(), "blue".to_owned())],
        ..Envelope::default()
    };
    let request = request.context(envelope).planned(Plan::to("default"));
    plugin(settings).charges(&request.build(), estimate)
}

/// Returns the rest of a limit that resets in 23 hours.
fn rest(remaining: u64) -> Rest {
    Rest {
        remaining,
        resets_in_ms: Some(82_800_000),
    }
}

fn told(charge: &Charge) -> (String, Window, Unit, u64, u64) {
    let Charge {
        account,
        window,
        unit,
        limit,
        amount,
        ..
    } = charge.clone();
    (account, window, unit, limit, amount)
}

#[test]
fn without_settings_nothing_is_charged() {
    assert_eq!(charges("{}", request(), &ESTIMATE), Ok(Vec::new()));
}

#[test]
fn each_limit_of_the_tier_is_a_charge() {
    let settings = r#"{"tiers": {"free": {"limits": [
        {"account": "tenant", "window": "day", "usd": "2.50"},
        {"account": "metadata.team", "window": "hour", "tokens": 1000},
        {"account": "key", "window": "minute", "requests": 60},
        {"account": "user", "in_flight": 3}
    ]}}}"#;
    let charges = charges(settings, request(), &ESTIMATE).unwrap();
    let expected = [
        (
            "tenant:acme",
            Window::Day,
            Unit::Picousd,
            2_500_000_000_000,
            7,
        ),
        ("metadata.team:blue", Window::Hour, Unit::Tokens, 1000, 150),
        ("key:k1", Window::Minute, Unit::Requests, 60, 1),
        ("user::k1", Window::Total, Unit::InFlight, 3, 1),
    ];
    let expected = expected.map(|(account, window, unit, limit, amount)| {
        (account.to_owned(), window, unit, limit, amount)
    });
    assert_eq!(charges.iter().map(told).collect::<Vec<_>>(), expected);
}

#[test]
fn an_unknown_tier_has_the_limits_of_the_default_tier() {
    let settings = r#"{"default_tier": "basic", "tiers": {"basic": {"limits": [
        {"account": "key", "window": "day", "requests": 5}
    ]}}}"#;
    assert_eq!(charges(settings, request(), &ESTIMATE).unwrap().len(), 1);
}

#[test]
fn a_model_without_a_price_passes_or_not_as_the_settings_say() {
    let unpriced = Estimate {
        cost_picousd: None,
        ..ESTIMATE
    };
    let settings = |word: &str| {
        format!(
            r#"{{"unpriced": "{word}", "tiers": {{"free": {{"limits": [{{"account": "key", "window": "day", "usd": 1}}]}}}}}}"#
        )
    };
    let passed = charges(&settings("pass"), request(), &unpriced).unwrap();
    assert_eq!(
        passed
            .iter()
            .map(|charge| charge.amount)
            .collect::<Vec<_>>(),
        [0]
    );
    let refusal = charges(&settings("refuse"), request(), &unpriced).unwrap_err();
    assert_eq!(refusal.status, 400);
    assert!(
        refusal.message.contains("claude-opus-5-5"),
        "{}",
        refusal.message
    );
}

#[test]
fn the_limits_own_word_decides_when_it_is_reached() {
    let settings = r#"{"tiers": {"free": {"limits": [
        {"account": "tenant", "window": "day", "usd": "2.50"},
        {"account": "key", "window": "hour", "tokens": 1000, "on_exhausted": "downgrade", "downgrade_to": "small"},
        {"account": "key", "window": "minute", "requests": 60, "on_exhausted": "overdraw"}
    ]}}}"#;
    let plugin = plugin(settings);
    let charges = charges(settings, request(), &ESTIMATE).unwrap();
    let asked = request().build();
    let remedies: Vec<Remedy> = charges
        .iter()
        .map(|charge| plugin.exhausted(&asked, charge, rest(1_000_000_000)))
        .collect();
    let Remedy::Refuse(refusal) = &remedies[0] else {
        panic!("{remedies:?}")
    };
    assert_eq!(
        (refusal.status, refusal.code.as_str()),
        (429, "billing_error")
    );
    assert_eq!(
        refusal.message,
        "The limit of $2.50 per day for this tenant is reached ($0.001 left); try again in 82800 s."
    );
    assert_eq!(refusal.retry_after_ms, Some(82_800_000));
    assert_eq!(remedies[1], Remedy::Downgrade("small".to_owned()));
    assert_eq!(remedies[2], Remedy::Overdraw);
}

#[test]
fn a_request_that_needs_more_than_is_left_is_told_both_numbers() {
    let settings =
        r#"{"tiers": {"free": {"limits": [{"account": "key", "window": "day", "usd": "0.10"}]}}}"#;
    let plugin = plugin(settings);
    let estimate = Estimate {
        cost_picousd: Some(80_000_000_000),
        ..ESTIMATE
    };
    let charges = charges(settings, request(), &estimate).unwrap();
    let asked = request().build();
    let told = |remaining| match plugin.exhausted(&asked, &charges[0], rest(remaining)) {
        Remedy::Refuse(refusal) => refusal.message,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        told(30_000_000_000),
        "This request reserves up to $0.08, and $0.03 of the limit of $0.10 per day for this key is left. \
         A smaller max_tokens reserves less; otherwise try again in 82800 s.",
        "something is left"
    );
    assert_eq!(
        told(0),
        "The limit of $0.10 per day for this key is reached ($0.00 left); try again in 82800 s.",
        "nothing is"
    );
}

#[test]
fn every_problem_of_the_settings_is_reported_with_its_path() {
    let settings = r#"{"default_tier": "none", "tiers": {"a": {"limits": [
        {"account": "key", "window": "day"},
        {"account": "key", "usd": 1},
        {"account": "key", "window": "day", "in_flight": 1},
        {"account": "key", "window": "day", "tokens": 1, "on_exhausted": "downgrade"},
        {"account": "user", "window": "day", "requests": 1},
        {"account": "user", "window": "day", "requests": 2}
    ]}}}"#;
    let problems = testing::configure::<BudgetPlugin>(settings).unwrap_err();
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    let expected = [
        "default_tier",
        "tiers.a.limits[0]",
        "tiers.a.limits[1]",
        "tiers.a.limits[2].window",
        "tiers.a.limits[3]",
        "tiers.a.limits[5]",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn a_float_is_no_amount_of_money() {
    let settings =
        r#"{"tiers": {"a": {"limits": [{"account": "key", "window": "day", "usd": 0.1}]}}}"#;
    let problems = testing::configure::<BudgetPlugin>(settings).unwrap_err();
    let problem = problems.iter().next().unwrap();
    assert_eq!(problem.path, "tiers.a.limits[0].usd");
    assert!(problem.message.contains("no float"), "{}", problem.message);
}

#[test]
fn workspace_environment_and_address_are_accounts_and_what_is_missing_is_the_keys() {
    let settings = r#"{"tiers": {"free": {"limits": [
        {"account": "workspace", "window": "day", "requests": 1},
        {"account": "environment", "window": "day", "requests": 1},
        {"account": "address", "window": "day", "requests": 1}
    ]}}}"#;
    let named = |attributes: &[(&str, &str)]| {
        let attributes = attributes.iter();
        let envelope = Envelope {
            attributes: attributes
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Envelope::default()
        };
        let request = request().context(envelope).planned(Plan::to("default"));
        let charges = plugin(settings).charges(&request.build(), &ESTIMATE);
        let charges = charges.unwrap().into_iter();
        charges.map(|charge| charge.account).collect::<Vec<_>>()
    };
    assert_eq!(
        named(&[
            ("workspace", "search"),
            ("environment", "prod"),
            ("client.address", "192.0.2.1")
        ]),
        [
            "workspace:search",
            "environment:search/prod",
            "address:192.0.2.1"
        ],
        "an environment is one of its workspace"
    );
    assert_eq!(
        named(&[("environment", "prod")]),
        ["workspace::k1", "environment::k1", "address::k1"],
        "nobody escapes by saying nothing"
    );
}

#[test]
fn a_downgraded_model_without_a_price_is_the_one_that_is_named() {
    let settings = r#"{"unpriced": "refuse", "tiers": {"free": {"limits": [{"account": "key", "window": "day", "usd": 1}]}}}"#;
    let unpriced = Estimate {
        cost_picousd: None,
        ..ESTIMATE
    };
    let request = request().planned(Plan::to("default").model("small"));
    let refusal = plugin(settings).charges(&request.build(), &unpriced);
    let message = refusal.expect_err("a model without a price").message;
    assert!(message.contains("`small`"), "{message}");
}

#[test]
fn the_hook_is_left_out_where_nothing_would_be_charged() {
    let tier = r#"{"limits": [{"account": "key", "window": "day", "requests": 5}]}"#;
    let interests = |settings: &str| plugin(settings).interests();
    let charged = || Interest::of(Hook::Budget).except_endpoints(["count-tokens", "models"]);
    assert_eq!(
        interests("{}"),
        [charged().tiers(None::<String>)],
        "without limits, there is no tier to call it for"
    );
    assert_eq!(
        interests(&format!(r#"{{"tiers": {{"a": {tier}, "b": {{}}}}}}"#)),
        [charged().tiers(["a"])],
        "only a tier with limits matters"
    );
    assert_eq!(
        interests(&format!(
            r#"{{"default_tier": "a", "tiers": {{"a": {tier}}}}}"#
        )),
        [charged()],
        "a default tier is everybody's"
    );
    assert_eq!(
        interests(r#"{"free": []}"#),
        [Interest::of(Hook::Budget)
            .except_endpoints(None::<String>)
            .tiers(None::<String>)],
        "nothing is free"
    );
}
