//! Accounts, units and windows, and limits of single accounts.

use super::*;

#[test]
fn each_unit_has_its_own_estimate() {
    let settings = r#"{"tiers": {"free": {"limits": [
        {"account": "key", "window": "week", "input_tokens": 10},
        {"account": "key", "window": "day@Europe/Berlin", "output_tokens": 10},
        {"account": "key", "window": "last-5-hours", "cached_tokens": 10},
        {"account": "user", "window": "last-15-minutes", "sessions": 3},
        {"account": "key", "thinking_tokens": 8000}
    ]}}}"#;
    let charges = charges(settings, request(), &ESTIMATE).unwrap();
    let amounts: Vec<_> = charges
        .iter()
        .map(|charge| (charge.unit.code(), charge.window.code(), charge.amount))
        .collect();
    assert_eq!(
        amounts,
        [
            ("input-tokens", "week", 100),
            ("output-tokens", "day@Europe/Berlin", 50),
            ("cached-tokens", "last-5-hours", 100),
            ("sessions", "last-15-minutes", 1),
            ("thinking-tokens", "total", 0),
        ],
        "what is known before the answer"
    );
    let windows = plugin(settings).windows();
    let windows: Vec<_> = windows.iter().map(Window::code).collect();
    assert_eq!(
        windows,
        [
            "week",
            "day@Europe/Berlin",
            "last-5-hours",
            "last-15-minutes",
            "total"
        ],
        "the host checks those at the start"
    );
}

#[test]
fn a_user_and_a_session_are_those_of_their_tenant() {
    let accounts = |kinds: &[&str], context: Envelope| {
        let limit =
            |kind: &&str| format!(r#"{{"account": "{kind}", "window": "day", "requests": 1}}"#);
        let limits: Vec<_> = kinds.iter().map(limit).collect();
        let settings = format!(
            r#"{{"tiers": {{"free": {{"limits": [{}]}}}}}}"#,
            limits.join(",")
        );
        let plan = Plan::to("default").model("claude-opus-5-5");
        let request = request().context(context).planned(plan);
        let charges = plugin(&settings).charges(&request.build(), &ESTIMATE);
        let charges = charges.unwrap().into_iter();
        charges.map(|charge| charge.account).collect::<Vec<_>>()
    };
    let named = Envelope {
        tenant: Some("acme/eu".to_owned()),
        user: Some("jane".to_owned()),
        session: Some("s+1".to_owned()),
        metadata: vec![("team".to_owned(), ":k2".to_owned())],
        ..Envelope::default()
    };
    assert_eq!(
        accounts(
            &[
                "tenant",
                "user",
                "session",
                "metadata.team",
                "user+model",
                "upstream",
                "agent"
            ],
            named
        ),
        [
            "tenant:acme/eu",
            "user:acme%2Feu/jane",
            "session:acme%2Feu/s+1",
            "metadata.team:%3Ak2",
            "user+model:acme%2Feu/jane+claude-opus-5-5",
            "upstream:default",
            "agent::k1",
        ],
        "a name can't be taken for another one's"
    );
    let alone = Envelope {
        user: Some("jane".to_owned()),
        session: Some("s1".to_owned()),
        ..Envelope::default()
    };
    assert_eq!(
        accounts(
            &["user", "session", "organization", "label.cost_center"],
            alone
        ),
        [
            "user:jane",
            "session:k1/s1",
            "organization::k1",
            "label.cost_center::k1",
        ],
        "without a tenant, a session is its key's"
    );
}

#[test]
fn a_limit_of_one_account_wins_over_the_same_limit_of_the_tier() {
    let settings = r#"{
        "tiers": {"free": {"limits": [
            {"account": "tenant", "window": "day", "usd": 5},
            {"account": "tenant", "window": "day", "requests": 100}
        ]}},
        "exceptions": [
            {"account": "tenant:acme", "window": "day", "usd": 50, "on_exhausted": "overdraw"},
            {"account": "tenant:acme", "window": "month", "usd": 500},
            {"account": "tenant:other", "window": "day", "requests": 1}
        ]
    }"#;
    let charges = charges(settings, request(), &ESTIMATE).unwrap();
    let limits: Vec<_> = charges
        .iter()
        .map(|charge| {
            (
                charge.account.as_str(),
                charge.window.code(),
                charge.unit.code(),
                charge.limit,
            )
        })
        .collect();
    assert_eq!(
        limits,
        [
            ("tenant:acme", "day", "picousd", 50_000_000_000_000),
            ("tenant:acme", "month", "picousd", 500_000_000_000_000),
            ("tenant:acme", "day", "requests", 100),
        ],
        "its own, one that the tier does not have, and the rest of the tier"
    );
    let asked = request().build();
    let remedy = plugin(settings).exhausted(&asked, &charges[0], rest(0));
    assert_eq!(remedy, Remedy::Overdraw, "with its own remedy");
    assert_eq!(
        plugin(settings).interests(),
        [Interest::of(Hook::Budget).except_endpoints(["count-tokens", "models"])],
        "an exception may be for a key of any tier"
    );
}

#[test]
fn the_remedy_is_that_of_the_callers_tier_whatever_limit_applies() {
    let settings = r#"{
        "tiers": {
            "free": {"limits": [{"account": "tenant", "window": "day", "usd": 5}]},
            "pro": {"limits": [{"account": "tenant", "window": "day", "usd": 5, "on_exhausted": "overdraw"}]}
        },
        "exceptions": [
            {"account": "tenant:other", "window": "day", "usd": 5, "on_exhausted": "overdraw"}
        ]
    }"#;
    let mut charge = charges(settings, request(), &ESTIMATE).unwrap().remove(0);
    // An operator's limit.
    charge.limit = 7;
    let remedy = |tier: &str| {
        let asked = request().caller(|caller| caller.tier = Some(tier.to_owned()));
        plugin(settings).exhausted(&asked.build(), &charge, rest(0))
    };
    assert_eq!(remedy("pro"), Remedy::Overdraw, "the tier overdraws");
    assert!(
        matches!(remedy("free"), Remedy::Refuse(_)),
        "this one does not"
    );
}

#[test]
fn exceptions_name_an_account_and_tiers_do_not() {
    let settings = r#"{
        "tiers": {"free": {"limits": [{"account": "tenant:acme", "window": "day", "usd": 5}]}},
        "exceptions": [
            {"account": "tenant", "window": "day", "usd": 5},
            {"account": "key:a", "window": "day", "usd": 5},
            {"account": "key:a", "window": "day", "usd": 6},
            {"account": "key:a", "thinking_tokens": 1000},
            {"account": "key:a", "window": "day", "sessions": 1},
            {"account": "pet:a", "window": "day", "requests": 1}
        ]
    }"#;
    let problems = testing::configure::<BudgetPlugin>(settings).unwrap_err();
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "exceptions[5].account",
            "tiers.free.limits[0]",
            "exceptions[0]",
            "exceptions[2]",
            "exceptions[3].thinking_tokens",
            "exceptions[4].window",
        ]
    );
}

#[test]
fn a_refusal_says_its_window_in_words() {
    let message = |window: &str, unit: &str| {
        let settings = format!(
            r#"{{"tiers": {{"free": {{"limits": [{{"account": "tenant", "window": "{window}", "{unit}": 3}}]}}}}}}"#
        );
        let charges = charges(&settings, request(), &ESTIMATE).unwrap();
        match plugin(&settings).exhausted(&request().build(), &charges[0], rest(0)) {
            Remedy::Refuse(refusal) => refusal.message,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        message("day@Europe/Berlin", "input_tokens"),
        "The limit of 3 input tokens per day in Europe/Berlin for this tenant is reached (0 left); try again in 82800 s."
    );
    assert_eq!(
        message("last-5-hours", "requests"),
        "The limit of 3 requests in 5 hours for this tenant is reached (0 left); try again in 82800 s."
    );
    assert_eq!(
        message("last-15-minutes", "sessions"),
        "The limit of 3 sessions in use for this tenant is reached (0 left); try again in 82800 s."
    );
}
