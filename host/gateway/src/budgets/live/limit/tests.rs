use proptest::prelude::*;

use super::*;

/// Times are small numbers, so that they often meet.
const TIMES: std::ops::Range<u64> = 0..8;

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..100_u64, Just(u64::MAX - 1), Just(UNLIMITED)]
}

fn terms() -> impl Strategy<Value = Terms> {
    let basis = prop_oneof![
        Just(Basis::Default),
        Just(Basis::Unlimited),
        amount().prop_map(Basis::Amount)
    ];
    let interim = (prop::option::of(amount()), TIMES).prop_map(|(amount, until)| Interim {
        amount,
        until: UnixMillis(until),
    });
    let top_up = (amount(), prop::option::of(TIMES)).prop_map(|(amount, until)| TopUp {
        amount,
        until: until.map(UnixMillis),
    });
    (basis, prop::option::of(interim), prop::option::of(top_up)).prop_map(
        |(basis, interim, top_up)| Terms {
            basis,
            interim,
            top_up,
        },
    )
}

/// The rule as docs/budgets.md tells it, sentence by sentence.
fn by_the_book(terms: &Terms, default: Option<u64>, now: u64) -> Option<u64> {
    let mut limit = default.map(u128::from);
    match terms.basis {
        Basis::Amount(amount) => limit = Some(amount.into()),
        Basis::Unlimited => limit = Some(UNLIMITED.into()),
        Basis::Default => {}
    }
    if let Some(Interim { amount, until }) = terms.interim
        && now < until.0
    {
        limit = Some(amount.unwrap_or(UNLIMITED).into());
    }
    let mut more = 0;
    if let Some(TopUp { amount, until }) = terms.top_up
        && until.is_none_or(|until| now < until.0)
    {
        more = u128::from(amount);
    }
    let sum = limit? + more;
    Some(u64::try_from(sum).unwrap_or(UNLIMITED))
}

proptest! {
    #[test]
    fn the_limit_in_force_is_that_of_the_book(
        terms in terms(),
        default in prop::option::of(amount()),
        now in TIMES,
    ) {
        prop_assert_eq!(
            terms.limit(default, UnixMillis(now)),
            by_the_book(&terms, default, now),
            "{:?} over {:?} at {}",
            terms, default, now
        );
    }

    #[test]
    fn what_is_over_leaves_the_default_now_and_later(
        terms in terms(),
        default in prop::option::of(amount()),
        now in TIMES,
        later in TIMES,
    ) {
        if terms.is_over(UnixMillis(now)) {
            prop_assert_eq!(
                terms.limit(default, UnixMillis(now.max(later))),
                default,
                "{:?} is over at {}",
                terms, now
            );
        }
    }

    #[test]
    fn terms_read_back_as_they_were_written(terms in terms()) {
        let text = serde_json::to_string(&terms).expect("plain data");
        prop_assert_eq!(serde_json::from_str::<Terms>(&text).ok(), Some(terms), "{}", text);
    }
}
