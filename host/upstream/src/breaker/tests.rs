//! Tests of opening, admission, and closing.

use std::num::NonZeroU32;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A breaker and its time.
struct Bench {
    breaker: Breaker,
    now: Instant,
    rng: StdRng,
}

impl Bench {
    fn new() -> Self {
        Self {
            breaker: Breaker::new(BreakerPolicy::default()),
            now: Instant::now() + 600 * SECOND,
            rng: StdRng::seed_from_u64(7),
        }
    }

    fn enter(&self, alternative: Alternative) -> Result<Ticket, Opened> {
        self.breaker.enter(alternative, self.now)
    }

    fn end(&mut self, ticket: Ticket, report: Report) -> Option<Change> {
        self.breaker.ended(ticket, report, self.now, &mut self.rng)
    }

    /// Sends a request that has no other place to go.
    fn send(&mut self, report: Report) -> Option<Change> {
        let ticket = self.enter(Alternative::None).expect("it is let in");
        self.end(ticket, report)
    }

    fn send_many(&mut self, count: usize, report: Report) {
        for _ in 0..count {
            self.send(report);
        }
    }

    /// Opens it with nothing but failures.
    fn down(&mut self) {
        self.send_many(19, Report::Failure);
        let change = self.send(Report::Failure).expect("the twentieth opens it");
        let Change::Opened(opened) = change else {
            panic!("it opens: {change:?}");
        };
        assert_eq!(opened.severity, Severity::Down, "nothing but failures");
        let said = opened.why.to_string();
        assert_eq!(said, "20 of 20 requests failed within 10s", "it says why");
    }

    /// Opens it with four failures in five.
    fn failing(&mut self) {
        for _ in 0..10 {
            self.send(Report::Success);
            self.send_many(4, Report::Failure);
        }
        let opened = self.breaker.opened(self.now).expect("it is open");
        assert_eq!(opened.severity, Severity::Failing, "some are good");
    }

    fn until_trial(&mut self) {
        self.now += self.breaker.opened(self.now).expect("it is open").left;
    }
}

#[test]
fn failures_in_a_row_open_nothing_while_the_rate_is_low() {
    let mut bench = Bench::new();
    bench.send_many(40, Report::Success);
    bench.send_many(19, Report::Failure);
    assert_eq!(bench.breaker.opened(bench.now), None, "19 of 59");
}

#[test]
fn a_few_failures_open_nothing_whatever_their_rate() {
    let mut bench = Bench::new();
    bench.send_many(19, Report::Failure);
    assert_eq!(bench.breaker.opened(bench.now), None, "19 of 19");
    bench.now += 11 * SECOND;
    bench.send_many(19, Report::Failure);
    assert_eq!(bench.breaker.opened(bench.now), None, "and 19 later on");
}

#[test]
fn half_of_the_requests_of_a_window_open_it_when_they_are_enough() {
    let mut bench = Bench::new();
    bench.send_many(10, Report::Success);
    bench.send_many(9, Report::Failure);
    assert_eq!(bench.breaker.opened(bench.now), None, "9 of 19");
    let change = bench.send(Report::Failure);
    let opened = bench.breaker.opened(bench.now).expect("10 of 20");
    assert_eq!(change, Some(Change::Opened(opened)), "and it says so");
    assert_eq!(opened.severity, Severity::Failing, "half are good");
    assert!(
        opened.left >= SECOND / 2 && opened.left <= SECOND,
        "for a second at most, with jitter: {:?}",
        opened.left
    );
}

#[test]
fn a_failing_upstream_takes_only_what_has_no_other_place_to_go() {
    let mut bench = Bench::new();
    bench.failing();
    let refused = bench.enter(Alternative::Available);
    assert!(refused.is_err(), "another target takes it");
    let sent = bench.enter(Alternative::None);
    assert_eq!(sent, Ok(Ticket::Plain), "nothing else takes it");
}

#[test]
fn an_upstream_that_is_down_takes_nothing() {
    let mut bench = Bench::new();
    bench.down();
    for alternative in [Alternative::Available, Alternative::None] {
        assert!(bench.enter(alternative).is_err(), "{alternative:?}");
    }
}

#[test]
fn answers_that_come_late_show_that_an_upstream_is_not_down() {
    let mut bench = Bench::new();
    let early: Vec<_> = (0..20).map(|_| bench.enter(Alternative::None)).collect();
    bench.now += 11 * SECOND;
    bench.down();
    for ticket in early {
        bench.end(ticket.expect("it was closed"), Report::Success);
    }
    let opened = bench.breaker.opened(bench.now).expect("20 of 40");
    assert_eq!(opened.severity, Severity::Failing, "half are good");
    assert!(bench.enter(Alternative::None).is_ok(), "it is asked again");
}

#[test]
fn slow_answers_are_not_outrun_by_quick_failures() {
    let mut bench = Bench::new();
    let slow: Vec<_> = (0..190).map(|_| bench.enter(Alternative::None)).collect();
    bench.send_many(60, Report::Failure);
    assert_eq!(
        bench.breaker.opened(bench.now),
        None,
        "60 failures of 250 that are under way"
    );
    for ticket in slow {
        bench.end(ticket.expect("it was closed"), Report::Success);
    }
    assert_eq!(bench.breaker.opened(bench.now), None, "and they were good");
}

#[test]
fn requests_that_taught_nothing_hide_no_failures() {
    let mut bench = Bench::new();
    for _ in 0..1000 {
        let ticket = bench.enter(Alternative::None).expect("it is closed");
        bench.breaker.unused(ticket, bench.now);
    }
    bench.down();
}

#[test]
fn an_answer_that_breaks_off_is_one_failure_and_no_success() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.send(Report::Success);
        bench.end(Ticket::Plain, Report::LateFailure);
    }
    let opened = bench.breaker.opened(bench.now).expect("it is open");
    assert_eq!(
        opened.why.tally,
        Tally { of: 20, failed: 20 },
        "each is counted once"
    );
}

#[test]
fn one_request_is_the_trial_and_more_follow_as_it_goes_well() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    let mut allowed = Vec::new();
    while bench.breaker.opened(bench.now).is_some() {
        let trials: Vec<_> = std::iter::from_fn(|| bench.enter(Alternative::None).ok()).collect();
        allowed.push(trials.len());
        for trial in trials {
            bench.end(trial, Report::Success);
        }
        assert!(allowed.len() < 20, "it ends: {allowed:?}");
    }
    // More always came than were let in, so it went on until it let in whoever came.
    let doubling: Vec<_> = (0..allowed.len()).map(|round| 1 << round).collect();
    assert_eq!(allowed, doubling, "a growing share");
    assert_eq!(allowed.last(), Some(&4096), "up to all");
}

#[test]
fn a_quiet_gateway_refuses_nothing_after_the_first_good_trial() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    let mut sent = 0;
    while bench.breaker.opened(bench.now).is_some() {
        bench.send(Report::Success);
        sent += 1;
    }
    assert!((20..=31).contains(&sent), "enough to judge by: {sent}");
}

#[test]
fn a_ramp_without_a_failure_ends_with_time_where_there_is_little_traffic() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    bench.send(Report::Success);
    bench.now += 11 * SECOND;
    bench.send(Report::Success);
    assert_eq!(bench.breaker.opened(bench.now), None, "closed");
}

#[test]
fn a_failed_trial_doubles_the_time_up_to_the_longest() {
    let mut bench = Bench::new();
    bench.down();
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        bench.until_trial();
        let trial = bench.enter(Alternative::None).expect("the trial is due");
        let change = bench.end(trial, Report::Failure);
        let Some(Change::Opened(opened)) = change else {
            panic!("open again: {change:?}");
        };
        let (left, lasts) = (opened.left, seconds * SECOND);
        assert!(left >= lasts / 2 && left <= lasts, "{left:?} of {lasts:?}");
    }
}

#[test]
fn a_trial_that_taught_nothing_is_given_back() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    let trial = bench.enter(Alternative::None).expect("the trial");
    assert!(bench.enter(Alternative::None).is_err(), "one at a time");
    bench.breaker.unused(trial, bench.now);
    assert!(bench.enter(Alternative::None).is_ok(), "the next one is");
}

#[test]
fn a_trial_that_is_silent_holds_up_the_next_one_for_a_while_only() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    let silent = bench.enter(Alternative::None).expect("the trial");
    assert!(bench.enter(Alternative::None).is_err(), "one at a time");
    bench.now += SECOND;
    let second = bench.enter(Alternative::None).expect("another one");
    bench.end(second, Report::Success);
    assert!(bench.enter(Alternative::None).is_ok(), "which let more in");
    bench.breaker.unused(silent, bench.now);
}

#[test]
fn trials_of_an_earlier_ramp_count_as_any_request() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    let stale = bench.enter(Alternative::None).expect("the trial");
    bench.now += SECOND;
    let second = bench.enter(Alternative::None).expect("another one");
    bench.end(second, Report::Failure);
    bench.until_trial();
    let trial = bench.enter(Alternative::None).expect("the next ramp's");
    bench.end(stale, Report::Failure);
    assert!(
        bench.enter(Alternative::None).is_err(),
        "still one at a time"
    );
    bench.end(trial, Report::Success);
    assert!(bench.enter(Alternative::None).is_ok(), "and it grows");
}

#[test]
fn one_failure_in_a_ramp_slows_it_down_and_does_not_end_it() {
    let mut bench = Bench::new();
    bench.down();
    bench.until_trial();
    bench.send(Report::Success);
    let pair = [(); 2].map(|()| bench.enter(Alternative::None).expect("two by now"));
    assert_eq!(bench.end(pair[0], Report::Failure), None, "one of two");
    assert_eq!(
        bench.end(pair[1], Report::Success),
        None,
        "which is not all"
    );
    let opened = bench.breaker.opened(bench.now).expect("open");
    assert!(opened.has_room, "the next one is let in at once");
}

#[test]
fn an_upstream_that_answers_some_again_is_asked_by_all_that_have_no_other_place() {
    let mut bench = Bench::new();
    bench.down();
    let mut sent = 0_usize;
    while bench.breaker.opened(bench.now).map(|open| open.severity) == Some(Severity::Down) {
        if let Ok(ticket) = bench.enter(Alternative::None) {
            sent += 1;
            let report = if sent.is_multiple_of(3) {
                Report::Success
            } else {
                Report::Failure
            };
            bench.end(ticket, report);
        }
        bench.now += SECOND / 4;
        assert!(sent < 1000, "it ends");
    }
    let opened = bench.breaker.opened(bench.now).expect("two of three fail");
    assert_eq!(opened.severity, Severity::Failing, "which is not all");
    assert!(sent <= 40, "after few: {sent}");
}

#[test]
fn a_policy_of_one_request_opens_at_the_first_failure() {
    let mut bench = Bench::new();
    bench.breaker = Breaker::new(BreakerPolicy {
        min_requests: NonZeroU32::MIN,
        ..BreakerPolicy::default()
    });
    assert!(bench.send(Report::Failure).is_some(), "it opens");
    bench.until_trial();
    assert_eq!(
        bench.send(Report::Success),
        Some(Change::Closed),
        "and closes"
    );
}
