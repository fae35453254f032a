use super::record::MOST;
use super::*;

const ONE: Tenant = Tenant::Known(1);

fn enter(breaker: &Breaker, tenant: Tenant, at: Instant) -> Result<Pass<'_>, Benched> {
    breaker.enter(|| tenant, || at)
}

fn fault(breaker: &Breaker, tenant: Tenant, at: Instant) -> Option<Benched> {
    let pass = enter(breaker, tenant, at).expect("the plugin plays");
    pass.faulted(Cause::Call(tenant), at)
}

fn serve(breaker: &Breaker, tenant: Tenant, at: Instant) {
    let pass = enter(breaker, tenant, at).expect("the plugin plays");
    pass.succeeded(|| tenant, || at);
}

fn benched(whose: Whose, left: Duration) -> Benched {
    Benched { left, whose }
}

fn bench(breaker: &Breaker, tenant: Tenant, at: Instant) {
    assert_eq!(fault(breaker, tenant, at), None, "one fault is forgiven");
    assert_eq!(fault(breaker, tenant, at), None, "two are");
    let third = fault(breaker, tenant, at);
    assert_eq!(
        third,
        Some(benched(Whose::Caller, FIRST_BENCH)),
        "three are not"
    );
}

#[test]
fn three_faults_in_ten_seconds_bench_and_three_in_eleven_do_not() {
    let breaker = Breaker::default();
    let start = Instant::now();
    for second in [0, 5, 11, 16, 22] {
        let at = start + Duration::from_secs(second);
        assert_eq!(
            fault(&breaker, ONE, at),
            None,
            "never three within ten seconds"
        );
    }
    let at = start + Duration::from_secs(23);
    assert!(fault(&breaker, ONE, at).is_some(), "now there are");
    assert!(
        enter(&breaker, ONE, at).is_err(),
        "a benched plugin isn't called"
    );
}

#[test]
fn one_call_is_the_trial_and_a_success_ends_the_bench() {
    for tenant in [ONE, Tenant::Unknown, Tenant::Host] {
        let breaker = Breaker::default();
        let start = Instant::now();
        bench(&breaker, tenant, start);

        let later = start + FIRST_BENCH;
        let trial = enter(&breaker, tenant, later).expect("the trial");
        assert!(
            enter(&breaker, tenant, later).is_err(),
            "one trial at a time"
        );
        trial.succeeded(|| tenant, || later);
        assert!(enter(&breaker, tenant, later).is_ok(), "the bench is over");
        assert_eq!(breaker.benched(later), None, "and says so");
    }
}

#[test]
fn a_failed_trial_doubles_the_bench_up_to_a_minute() {
    let breaker = Breaker::default();
    let mut now = Instant::now();
    bench(&breaker, ONE, now);
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        now += breaker.benched(now).expect("benched");
        let again = fault(&breaker, ONE, now).expect("benched again");
        assert_eq!(again.left, Duration::from_secs(seconds), "twice as long");
    }
}

#[test]
fn a_breaker_that_never_benches_lets_every_call_through() {
    let breaker = Breaker::new(Bench::Never);
    let now = Instant::now();
    for _ in 0..10 {
        assert_eq!(
            fault(&breaker, ONE, now),
            None,
            "no fault benches the plugin"
        );
    }
    assert_eq!(breaker.benched(now), None, "it plays");
}

#[test]
fn a_trial_that_never_ran_is_given_back() {
    let breaker = Breaker::default();
    let start = Instant::now();
    bench(&breaker, ONE, start);
    let later = start + FIRST_BENCH;
    drop(enter(&breaker, ONE, later).expect("the trial"));
    assert!(
        enter(&breaker, ONE, later).is_ok(),
        "the next call is the trial"
    );
}

#[test]
fn faults_at_one_tenants_requests_bench_for_that_tenant_alone() {
    let breaker = Breaker::default();
    let now = Instant::now();
    bench(&breaker, ONE, now);
    assert!(breaker.benched(now).is_some(), "nobody else was seen yet");
    for other in 2..100 {
        serve(&breaker, Tenant::Known(other), now);
        serve(&breaker, Tenant::Unknown, now);
    }
    let refused = enter(&breaker, ONE, now).unwrap_err();
    assert_eq!(refused.whose, Whose::Caller, "its own faults are to blame");
    assert_eq!(breaker.benched(now), None, "it plays for others");
    assert_eq!(breaker.benched_callers(now), 1, "and not for one");
}

#[test]
fn faults_at_the_requests_of_several_tenants_bench_for_all() {
    let breaker = Breaker::default();
    let now = Instant::now();
    assert_eq!(
        fault(&breaker, Tenant::Known(1), now),
        None,
        "one tenant's trouble"
    );
    assert_eq!(fault(&breaker, Tenant::Known(2), now), None, "two tenants'");
    assert_eq!(
        fault(&breaker, Tenant::Known(3), now),
        Some(benched(Whose::All, FIRST_BENCH)),
        "it is the plugin's"
    );
    let refused = enter(&breaker, Tenant::Known(4), now).unwrap_err();
    assert_eq!(refused.whose, Whose::All, "it is called for nobody");

    let later = now + FIRST_BENCH;
    for tenant in 4..6 {
        assert_eq!(
            fault(&breaker, Tenant::Known(tenant), later),
            None,
            "others find out"
        );
    }
    assert_eq!(
        fault(&breaker, Tenant::Known(6), later),
        Some(benched(Whose::All, 2 * FIRST_BENCH)),
        "twice as long"
    );
}

#[test]
fn tenants_in_league_bench_for_themselves_while_as_many_others_are_served() {
    let breaker = Breaker::default();
    let start = Instant::now();
    fault(&breaker, Tenant::Known(1), start);
    for other in 11..14 {
        serve(&breaker, Tenant::Known(other), start);
    }
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        for evil in 1..4 {
            if let Ok(pass) = enter(&breaker, Tenant::Known(evil), now) {
                let cause = Cause::Call(Tenant::Known(evil));
                let benched = pass.faulted(cause, now);
                let for_all = benched.is_some_and(|it| it.whose == Whose::All);
                assert!(!for_all, "others are served well");
            }
        }
        for other in 11..14 {
            serve(&breaker, Tenant::Known(other), now);
        }
    }
}

#[test]
fn after_a_bench_for_all_others_come_before_those_who_saw_its_faults() {
    let breaker = Breaker::default();
    let now = Instant::now();
    for tenant in 1..4 {
        fault(&breaker, Tenant::Known(tenant), now);
    }
    let later = now + FIRST_BENCH;
    for tenant in 1..4 {
        let refused = enter(&breaker, Tenant::Known(tenant), later).unwrap_err();
        assert_eq!(refused.whose, Whose::Caller, "not yet");
    }
    for other in 11..14 {
        serve(&breaker, Tenant::Known(other), later);
    }
    let later = later + FIRST_BENCH;
    for tenant in 1..4 {
        let benched = fault(&breaker, Tenant::Known(tenant), later).expect("a failed trial");
        assert_eq!(benched.whose, Whose::Caller, "others were served");
    }
}

#[test]
fn instances_that_do_not_get_ready_bench_for_all() {
    let breaker = Breaker::default();
    let now = Instant::now();
    let start = |at| {
        let pass = enter(&breaker, ONE, at).expect("the plugin plays");
        pass.faulted(Cause::Start, at)
    };
    assert_eq!(start(now), None, "once");
    assert_eq!(start(now), None, "twice");
    let third = start(now);
    assert_eq!(third, Some(benched(Whose::All, FIRST_BENCH)), "enough");
    assert!(enter(&breaker, Tenant::Known(2), now).is_err(), "for all");
}

#[test]
fn a_record_is_bounded_and_forgotten_in_time() {
    let breaker = Breaker::default();
    let now = Instant::now();
    for tenant in 0..1_000 {
        if let Ok(pass) = enter(&breaker, Tenant::Known(tenant), now) {
            if tenant % 2 == 0 {
                pass.succeeded(|| Tenant::Known(tenant), || now);
            } else {
                pass.faulted(Cause::Call(Tenant::Known(tenant)), now);
            }
        }
        let known = breaker.lock().len();
        assert!(known <= 2 * MOST, "after {tenant}: {known}");
    }
    let later = now + 3 * LONGEST_BENCH;
    drop(enter(&breaker, ONE, later).expect("it plays"));
    assert!(!breaker.alert.load(Ordering::Acquire), "nothing is left");
    assert_eq!(breaker.lock().len(), 0, "of nobody");
}

#[test]
fn a_bench_of_what_the_host_asks_for_itself_is_to_be_seen_and_stops_no_caller() {
    let breaker = Breaker::default();
    let now = Instant::now();
    bench(&breaker, Tenant::Host, now);
    serve(&breaker, ONE, now);
    assert!(enter(&breaker, Tenant::Host, now).is_err(), "it is paused");
    assert_eq!(breaker.benched(now), Some(FIRST_BENCH), "which is told");
    assert_eq!(breaker.benched_callers(now), 0, "no caller is");
}
