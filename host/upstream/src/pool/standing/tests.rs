use super::*;
use crate::pool::reading::Bucket;

const MINUTE: Duration = Duration::from_secs(60);

fn requests(left: u64) -> Reading {
    let mut reading = Reading::default();
    reading.buckets[0] = Some(Bucket {
        limit: 100,
        left,
        full_in: MINUTE,
    });
    reading
}

fn window(used: u32) -> Reading {
    let mut reading = Reading::default();
    reading.windows[0] = Some(Window {
        used,
        ends_in: MINUTE * 60,
    });
    reading
}

/// Sends a request and learns from its answer.
fn ask(
    standing: &mut Standing,
    model: &str,
    status: u16,
    reading: &Reading,
    now: Instant,
) -> (Sending, Sentence) {
    let sending = standing.send(model, now);
    (sending, standing.answered(sending, status, reading, now))
}

#[test]
fn a_model_at_its_limit_leaves_the_others_alone() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    let mut refused = requests(0);
    refused.retry_after = Some(MINUTE);
    let (_, sentence) = ask(&mut standing, "opus", 429, &refused, now);
    assert_eq!(sentence, Sentence::Limited, "the upstream says so");
    let shut = standing.shut("opus", 0, now);
    assert_eq!(shut, Some((Shut::Cooling, Some(MINUTE))), "left alone");
    assert_eq!(
        standing.shut("haiku", 0, now),
        None,
        "another model is served"
    );
    let later = now + MINUTE;
    assert_eq!(standing.shut("opus", 0, later), None, "and it is over");
}

#[test]
fn an_exhausted_account_is_exhausted_for_every_model() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    let mut refused = window(1001);
    refused.rejected_for = Some(MINUTE * 60);
    ask(&mut standing, "opus", 429, &refused, now);
    for model in ["opus", "haiku"] {
        let shut = standing.shut(model, 0, now).map(|(why, _)| why);
        assert_eq!(shut, Some(Shut::Cooling), "{model}");
        assert_eq!(standing.left(model, now), 0, "{model}");
    }
    let later = now + MINUTE * 61;
    assert_eq!(standing.shut("opus", 0, later), None, "a new window");
    assert_eq!(standing.left("opus", later), 1000, "with nothing used");
}

#[test]
fn the_hard_threshold_is_obeyed_for_limits_and_windows() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    ask(&mut standing, "m", 200, &requests(10), now);
    assert_eq!(standing.shut("m", 100, now), None, "ten of a hundred");
    ask(&mut standing, "m", 200, &requests(9), now);
    let (why, wait) = standing.shut("m", 100, now).expect("less than that");
    assert_eq!(why, Shut::Exhausted, "below the threshold");
    let wait = wait.expect("it fills up");
    assert!(wait < MINUTE, "one request comes back soon: {wait:?}");
    assert_eq!(
        standing.shut("m", 100, now + wait),
        None,
        "and then it serves"
    );

    let mut standing = Standing::default();
    ask(&mut standing, "m", 200, &window(950), now);
    assert_eq!(standing.shut("m", 50, now), None, "exactly that is left");
    let shut = standing.shut("m", 51, now);
    let until_the_end = Some((Shut::Exhausted, Some(MINUTE * 60)));
    assert_eq!(shut, until_the_end, "less than the threshold");
}

#[test]
fn requests_under_way_are_subtracted_until_they_are_answered() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    ask(&mut standing, "m", 200, &requests(3), now);
    let sent: Vec<_> = (0..3).map(|_| standing.send("m", now)).collect();
    assert!(!standing.has_room("m", now), "three are on their way");
    assert_eq!(standing.shut("m", 0, now), None, "which is an estimate");
    for sending in sent {
        standing.give_up(sending);
    }
    assert!(standing.has_room("m", now), "nothing came of them");
}

#[test]
fn a_slow_answer_is_not_subtracted_once_a_later_request_was_answered() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    ask(&mut standing, "m", 200, &requests(100), now);
    let slow: Vec<_> = (0..30).map(|_| standing.send("m", now)).collect();
    assert_eq!(standing.left("m", now), 700, "thirty are on their way");
    ask(&mut standing, "m", 200, &requests(69), now);
    assert_eq!(
        standing.left("m", now),
        690,
        "the upstream has counted them"
    );
    let one = standing.send("m", now);
    assert_eq!(standing.left("m", now), 680, "and not the next one");
    for sending in slow.into_iter().chain([one]) {
        standing.give_up(sending);
    }
    assert_eq!(standing.left("m", now), 690, "all have ended");
}

#[test]
fn pauses_double_with_each_refusal_and_end_with_an_answer() {
    let (mut standing, mut now) = (Standing::default(), Instant::now());
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let (sending, sentence) = ask(&mut standing, "m", 429, &Reading::default(), now);
        assert_eq!(sentence, Sentence::Doubtful, "it says nothing");
        // Others that were sent before the pause are refused for the same reason.
        assert!(standing.convict(sending, 429, now), "news");
        assert!(!standing.convict(sending, 429, now), "no news");
        let (_, pause) = standing.shut("m", 0, now).expect("a pause");
        let pause = pause.expect("with an end");
        pauses.push(pause.as_secs());
        now += pause;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60], "up to a minute");
    ask(&mut standing, "m", 200, &Reading::default(), now);
    let (sending, _) = ask(&mut standing, "m", 429, &Reading::default(), now);
    standing.convict(sending, 429, now);
    let (_, pause) = standing.shut("m", 0, now).expect("a pause");
    assert_eq!(pause, Some(FIRST_PAUSE), "as at first");
}

#[test]
fn three_refusals_in_a_row_are_believed_without_a_witness() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    let refused = Reading::default();
    for _ in 0..5 {
        ask(&mut standing, "m", 429, &refused, now);
        ask(&mut standing, "m", 429, &refused, now);
        assert_eq!(standing.shut("m", 0, now), None, "it may be the request");
        ask(&mut standing, "m", 200, &refused, now);
    }
    for _ in 0..UNPROVEN {
        ask(&mut standing, "m", 429, &refused, now);
    }
    let pause = Some((Shut::Cooling, Some(FIRST_PAUSE)));
    assert_eq!(standing.shut("m", 0, now), pause, "a short pause");
}

#[test]
fn a_401_lasts_until_it_is_renewed_and_a_403_five_minutes() {
    let now = Instant::now();
    for (status, left) in [(401, None), (403, Some(FORBIDDEN))] {
        let mut standing = Standing::default();
        let (sending, _) = ask(&mut standing, "m", status, &Reading::default(), now);
        assert_eq!(standing.shut("m", 0, now), None, "not proven");
        assert!(standing.convict(sending, status, now), "news");
        let shut = Some((Shut::Refused(status), left));
        assert_eq!(standing.shut("other", 0, now), shut, "every model");
        let later = now + FORBIDDEN;
        assert_eq!(
            standing.shut("m", 0, later).is_some(),
            status == 401,
            "{status}"
        );
        assert!(standing.renewed(), "it was refused");
        assert_eq!(standing.shut("m", 0, now), None, "and is not any more");
    }
}

#[test]
fn another_secret_starts_with_nothing_known() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    let mut refused = requests(0);
    refused.rejected_for = Some(MINUTE);
    ask(&mut standing, "m", 429, &refused, now);
    ask(&mut standing, "m", 403, &window(1000), now);
    let under_way = standing.send("m", now);
    assert!(!standing.replaced(), "the one before was not refused");
    assert_eq!(
        standing.shut("m", 0, now),
        None,
        "it may be of another account"
    );
    assert_eq!(standing.left("m", now), 1000, "with limits of its own");
    assert_eq!(standing.unanswered(), 1, "what is under way is under way");
    standing.give_up(under_way);
}

#[test]
fn names_of_models_that_callers_make_up_push_out_no_limit_that_is_known() {
    let (mut standing, now) = (Standing::default(), Instant::now());
    ask(&mut standing, "real", 200, &requests(1), now);
    let busy = standing.send("busy", now);
    for number in 0..1000_u64 {
        let later = now + Duration::from_millis(number);
        let long = format!("{number}-{}", "ä".repeat(200));
        ask(&mut standing, &long, 404, &Reading::default(), later);
    }
    assert!(standing.lanes().len() <= MAX_LANES, "they are bounded");
    assert!(standing.left("real", now) < 1000, "the limit is known");
    assert_eq!(standing.unanswered(), 1, "and the request is under way");
    standing.give_up(busy);
    assert_eq!(standing.unanswered(), 0, "until it ends");
}
