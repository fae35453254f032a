//! Sessions in use.

use std::sync::Arc;

use proptest::prelude::*;
use witgate_ledger::{
    Amounts, Charge, Entry, Hold, Ledger, OnShortfall, Refused, Unit, UnixMillis, Window, seat,
};

use crate::charges::{NOW, OWNER};

const MINUTE: u64 = 60_000;

fn window() -> Window {
    Window::parse("last-1-minute").expect("a known code")
}

fn reserve(
    ledger: &Arc<Ledger>,
    (account, session): (&str, &str),
    limit: u64,
    now: UnixMillis,
) -> Result<Hold, Refused> {
    let charge = Charge {
        account: seat(account, session),
        window: window(),
        unit: Unit::Sessions,
        limit,
        amount: 1,
        shortfall: OnShortfall::Refuse,
    };
    ledger.reserve(vec![charge], OWNER, now)
}

const SERVED: Amounts = Amounts {
    picousd: 0,
    tokens: 0,
    input_tokens: 0,
    output_tokens: 0,
    cached_tokens: 0,
    requests: 1,
};

#[test]
fn a_session_in_use_goes_on_and_a_new_one_waits_for_a_seat() {
    let ledger = Ledger::new();
    let ask = |session, now| reserve(&ledger, ("tenant:acme", session), 2, now);
    for session in ["a", "b", "a"] {
        ask(session, NOW).expect("there is a seat").settle(SERVED);
    }
    let refused = ask("c", NOW).expect_err("both seats are taken");
    assert_eq!(refused.remaining(), 0, "{refused}");
    let free_at = refused.resets_at().expect("a time");
    assert_eq!(window().resets_at(NOW), Some(free_at), "once one is unused");
    let elsewhere = reserve(&ledger, ("tenant:other", "c"), 2, NOW);
    elsewhere.expect("another account").settle(SERVED);

    let later = UnixMillis(NOW.0 + MINUTE / 2);
    ask("a", later).expect("it is in use").settle(SERVED);
    ask("c", free_at).expect("b's seat").settle(SERVED);
    assert!(ask("b", free_at).is_err(), "which b has lost");
}

#[test]
fn a_session_with_an_open_request_keeps_its_seat_and_one_that_nothing_was_sent_of_has_none() {
    let ledger = Ledger::new();
    let ask = |session, now| reserve(&ledger, ("user:jane", session), 1, now);
    ask("a", NOW).expect("there is a seat").release();
    let open = ask("b", NOW).expect("a has none");
    let later = UnixMillis(NOW.0 + 10 * MINUTE);
    let refused = ask("c", later).expect_err("b is open");
    assert_eq!(refused.resets_at(), None, "for who knows how long");
    open.settle(SERVED);
    ask("c", later).expect("it was long ago").settle(SERVED);
}

#[test]
fn a_name_is_a_session_of_its_account_only() {
    assert_ne!(
        seat("tenant:a", "x session:y"),
        seat("tenant:a session:x", "y"),
        "a session can't name another account"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Ask { account: usize, session: usize },
    Settle { hold: usize },
    Release { hold: usize },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, 0..5_usize).prop_map(|(account, session)| Step::Ask { account, session }),
        3 => (0..6_usize).prop_map(|hold| Step::Settle { hold }),
        1 => (0..6_usize).prop_map(|hold| Step::Release { hold }),
        3 => (0..40_000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

struct Open {
    hold: Hold,
    of: (usize, usize),
    until: UnixMillis,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn seats_are_those_of_a_list_of_everything_that_happened(
        limit in 1..4_u64,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let ledger = Ledger::new();
        let (accounts, sessions) = (["tenant:a", "tenant:b"], ["1", "2", "3", "4", "5"]);
        let mut open: Vec<Open> = Vec::new();
        let mut used: Vec<((usize, usize), UnixMillis)> = Vec::new();
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Wait { millis } => now.0 += millis,
                Step::Ask { account, session } => {
                    let in_use = |session: usize| {
                        open.iter().any(|open| open.of == (account, session))
                            || used.iter().any(|(of, until)| *of == (account, session) && *until > now)
                    };
                    let others = (0..5).filter(|other| *other != session && in_use(*other)).count() as u64;
                    let asked = reserve(&ledger, (accounts[account], sessions[session]), limit, now);
                    // A ledger that takes over decides the same.
                    let heir = Ledger::new();
                    heir.inherit(&ledger.export(|_: &Entry<'_>| (), now), now);
                    let fits = others < limit;
                    prop_assert_eq!(asked.is_ok(), fits, "{} others", others);
                    let again = reserve(&heir, (accounts[account], sessions[session]), limit, now);
                    prop_assert_eq!(again.is_ok(), fits, "and after a hand-over");
                    if let Ok(hold) = asked {
                        let until = window().resets_at(now).expect("an end");
                        open.push(Open { hold, of: (account, session), until });
                    }
                }
                Step::Settle { hold } if hold < open.len() => {
                    let ended = open.remove(hold);
                    ended.hold.settle(SERVED);
                    used.push((ended.of, ended.until));
                }
                Step::Release { hold } if hold < open.len() => open.remove(hold).hold.release(),
                Step::Settle { .. } | Step::Release { .. } => {}
            }
        }
    }
}
