use super::*;
use crate::pool::reading::Bucket;

fn terms(names: &[&str]) -> Vec<Terms> {
    let terms = names.iter().map(|name| Terms {
        name: (*name).to_owned(),
        weight: 1,
        soft: 200,
        hard: 50,
    });
    terms.collect()
}

fn reading(left: u64) -> Reading {
    let mut reading = Reading::default();
    reading.buckets[0] = Some(Bucket {
        limit: 1000,
        left,
        full_in: Duration::from_secs(3600),
    });
    reading
}

fn of_session(number: usize) -> Wish {
    Wish {
        among: Among::All,
        model: "m".into(),
        affinity: Some(Affinity::new("acme", &number.to_string(), None)),
    }
}

fn of_none() -> Wish {
    Wish {
        affinity: None,
        ..of_session(0)
    }
}

/// Sends a request with one credential, whose answer says what is left.
fn learn(book: &mut Book, credential: usize, left: u64, now: Instant) {
    let others = (0..3).filter(|other| *other != credential);
    let mut tried = Tried::default();
    others.for_each(|other| tried.insert(other));
    let pick = book.choose(&of_none(), tried, now).expect("it is open");
    assert_eq!(pick.credential, credential, "the only one left");
    book.answered(pick, 200, &reading(left), now);
}

fn choose(book: &mut Book, wish: &Wish, now: Instant) -> usize {
    let pick = book
        .choose(wish, Tried::default(), now)
        .expect("one is open");
    book.give_up(pick);
    pick.credential
}

#[test]
fn below_the_soft_threshold_old_sessions_stay_and_no_new_one_comes() {
    let (mut book, now) = (Book::new(terms(&["a", "b", "c"])), Instant::now());
    let at_b: Vec<_> = (0..100)
        .filter(|number| choose(&mut book, &of_session(*number), now) == 1)
        .collect();
    assert!(at_b.len() > 10, "a third or so: {at_b:?}");
    learn(&mut book, 1, 199, now);
    for number in &at_b {
        assert_eq!(choose(&mut book, &of_session(*number), now), 1, "it stays");
    }
    for number in 100..200 {
        assert_ne!(
            choose(&mut book, &of_session(number), now),
            1,
            "none is new"
        );
    }
    assert_ne!(
        choose(&mut book, &of_none(), now),
        1,
        "nor without a session"
    );
    learn(&mut book, 1, 49, now);
    for number in &at_b {
        assert_ne!(choose(&mut book, &of_session(*number), now), 1, "all leave");
    }
    let later = now + Duration::from_secs(3000);
    for number in &at_b {
        let place = choose(&mut book, &of_session(*number), later);
        assert_ne!(place, 1, "and none comes back");
    }
}

#[test]
fn if_all_are_below_their_soft_thresholds_the_fullest_is_used() {
    let (mut book, now) = (Book::new(terms(&["a", "b", "c"])), Instant::now());
    for (credential, left) in [(0, 100), (1, 150), (2, 60)] {
        learn(&mut book, credential, left, now);
    }
    for number in 0..20 {
        assert_eq!(
            choose(&mut book, &of_session(number), now),
            1,
            "most is left"
        );
    }
}

#[test]
fn requests_without_a_session_take_turns_among_equals() {
    let (mut book, now) = (Book::new(terms(&["a", "b", "c"])), Instant::now());
    let mut counts = [0; 3];
    for _ in 0..30 {
        let pick = book.choose(&of_none(), Tried::default(), now);
        counts[pick.expect("one is open").credential] += 1;
    }
    assert_eq!(counts, [10, 10, 10], "each as often");
}

#[test]
fn what_belongs_to_the_first_credential_is_sent_with_no_other() {
    let (mut book, now) = (Book::new(terms(&["a", "b", "c"])), Instant::now());
    let first = |number| Wish {
        among: Among::First,
        ..of_session(number)
    };
    for number in 0..20 {
        assert_eq!(choose(&mut book, &first(number), now), 0, "the first");
    }
    learn(&mut book, 0, 0, now);
    let nothing = book.choose(&first(1), Tried::default(), now);
    let nothing = nothing.expect_err("the others don't have it");
    assert_eq!(nothing.why, Some(Shut::Exhausted), "and it is said why");
    assert!(nothing.wait.is_some(), "and for how long");
    assert_ne!(
        choose(&mut book, &of_session(1), now),
        0,
        "others are served"
    );
}

#[test]
fn the_wait_is_that_of_the_first_one_to_come_back() {
    let (mut book, now) = (Book::new(terms(&["a", "b"])), Instant::now());
    let mut tried = Tried::default();
    for seconds in [50, 20] {
        let pick = book.choose(&of_none(), tried, now).expect("one is open");
        let refusal = Reading {
            retry_after: Some(Duration::from_secs(seconds)),
            ..Reading::default()
        };
        let sentence = book.answered(pick, 429, &refusal, now);
        assert_eq!(sentence, Sentence::Limited, "it says so");
        tried.insert(pick.credential);
    }
    assert!(!book.has_another(&of_none(), tried, now), "both are tried");
    let nothing = book.nothing(&of_none(), now);
    assert_eq!(nothing.wait, Some(Duration::from_secs(20)), "the earliest");
}

#[test]
fn other_terms_keep_standings_and_places_by_name() {
    let (mut book, now) = (Book::new(terms(&["a", "b", "c"])), Instant::now());
    learn(&mut book, 1, 49, now);
    let places: Vec<_> = (0..50)
        .map(|number| choose(&mut book, &of_session(number), now))
        .collect();
    // `a` is another credential under the same name.
    let mut next = book.with_terms(terms(&["d", "c", "b", "a"]), |name| name != "a");
    let states: Vec<_> = next
        .iter(now)
        .map(|(_, standing, sessions)| (standing.shut("m", 50, now).is_some(), sessions))
        .collect();
    let at_c = places.iter().filter(|place| **place == 2).count();
    assert_eq!(
        states,
        [(false, 0), (false, at_c), (true, 0), (false, 0)],
        "by name"
    );
    for (number, place) in places.iter().enumerate() {
        if *place == 2 {
            assert_eq!(choose(&mut next, &of_session(number), now), 1, "it stays");
        }
    }
}
