use super::record::MAX_TENANTS;
use super::*;

const ONE: Tenant = Tenant::Known(1);

fn enter(breaker: &Breaker, tenant: Tenant, at: Instant) -> Result<Ticket<'_>, Suspended> {
    breaker.enter(|| tenant, || at)
}

fn fault(breaker: &Breaker, tenant: Tenant, at: Instant) -> Option<Suspended> {
    let ticket = enter(breaker, tenant, at).expect("the plugin is called");
    ticket.faulted(Cause::Call(tenant), at)
}

fn serve(breaker: &Breaker, tenant: Tenant, at: Instant) {
    let ticket = enter(breaker, tenant, at).expect("the plugin is called");
    ticket.succeeded(|| tenant, || at);
}

fn suspended(scope: Scope, left: Duration) -> Suspended {
    Suspended { left, scope }
}

fn suspend(breaker: &Breaker, tenant: Tenant, at: Instant) {
    assert_eq!(fault(breaker, tenant, at), None, "one fault is forgiven");
    assert_eq!(fault(breaker, tenant, at), None, "two are");
    let third = fault(breaker, tenant, at);
    assert_eq!(
        third,
        Some(suspended(Scope::Tenant, FIRST_SUSPENSION)),
        "three are not"
    );
}

#[test]
fn three_faults_in_ten_seconds_suspend_and_three_in_eleven_do_not() {
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
        "a suspended plugin isn't called"
    );
}

#[test]
fn one_call_is_the_probe_and_a_success_ends_the_suspension() {
    for tenant in [ONE, Tenant::Unknown, Tenant::Host] {
        let breaker = Breaker::default();
        let start = Instant::now();
        suspend(&breaker, tenant, start);

        let later = start + FIRST_SUSPENSION;
        let probe = enter(&breaker, tenant, later).expect("the probe");
        assert!(
            enter(&breaker, tenant, later).is_err(),
            "one probe at a time"
        );
        probe.succeeded(|| tenant, || later);
        assert!(
            enter(&breaker, tenant, later).is_ok(),
            "the suspension is over"
        );
        assert_eq!(breaker.suspended(later), None, "and says so");
    }
}

#[test]
fn a_failed_probe_doubles_the_suspension_up_to_a_minute() {
    let breaker = Breaker::default();
    let mut now = Instant::now();
    suspend(&breaker, ONE, now);
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        now += breaker.suspended(now).expect("suspended");
        let again = fault(&breaker, ONE, now).expect("suspended again");
        assert_eq!(again.left, Duration::from_secs(seconds), "twice as long");
    }
}

#[test]
fn a_breaker_that_never_suspends_lets_every_call_through() {
    let breaker = Breaker::new(Suspension::Never);
    let now = Instant::now();
    for _ in 0..10 {
        assert_eq!(
            fault(&breaker, ONE, now),
            None,
            "no fault suspends the plugin"
        );
    }
    assert_eq!(breaker.suspended(now), None, "it is called");
}

#[test]
fn a_probe_that_never_ran_is_given_back() {
    let breaker = Breaker::default();
    let start = Instant::now();
    suspend(&breaker, ONE, start);
    let later = start + FIRST_SUSPENSION;
    drop(enter(&breaker, ONE, later).expect("the probe"));
    assert!(
        enter(&breaker, ONE, later).is_ok(),
        "the next call is the probe"
    );
}

#[test]
fn faults_at_one_tenants_requests_suspend_for_that_tenant_alone() {
    let breaker = Breaker::default();
    let now = Instant::now();
    suspend(&breaker, ONE, now);
    assert!(breaker.suspended(now).is_some(), "nobody else was seen yet");
    for other in 2..100 {
        serve(&breaker, Tenant::Known(other), now);
        serve(&breaker, Tenant::Unknown, now);
    }
    let refused = enter(&breaker, ONE, now).unwrap_err();
    assert_eq!(refused.scope, Scope::Tenant, "its own faults are to blame");
    assert_eq!(breaker.suspended(now), None, "it is called for others");
    assert_eq!(breaker.suspended_callers(now), 1, "and not for one");
}

#[test]
fn faults_at_the_requests_of_several_tenants_suspend_for_all() {
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
        Some(suspended(Scope::All, FIRST_SUSPENSION)),
        "it is the plugin's"
    );
    let refused = enter(&breaker, Tenant::Known(4), now).unwrap_err();
    assert_eq!(refused.scope, Scope::All, "it is called for nobody");

    let later = now + FIRST_SUSPENSION;
    for tenant in 4..6 {
        assert_eq!(
            fault(&breaker, Tenant::Known(tenant), later),
            None,
            "others find out"
        );
    }
    assert_eq!(
        fault(&breaker, Tenant::Known(6), later),
        Some(suspended(Scope::All, 2 * FIRST_SUSPENSION)),
        "twice as long"
    );
}

#[test]
fn tenants_in_league_suspend_for_themselves_while_as_many_others_are_served() {
    let breaker = Breaker::default();
    let start = Instant::now();
    fault(&breaker, Tenant::Known(1), start);
    for other in 11..14 {
        serve(&breaker, Tenant::Known(other), start);
    }
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        for evil in 1..4 {
            if let Ok(ticket) = enter(&breaker, Tenant::Known(evil), now) {
                let cause = Cause::Call(Tenant::Known(evil));
                let suspended = ticket.faulted(cause, now);
                let for_all = suspended.is_some_and(|it| it.scope == Scope::All);
                assert!(!for_all, "others are served well");
            }
        }
        for other in 11..14 {
            serve(&breaker, Tenant::Known(other), now);
        }
    }
}

#[test]
fn after_a_suspension_for_all_others_come_before_those_who_saw_its_faults() {
    let breaker = Breaker::default();
    let now = Instant::now();
    for tenant in 1..4 {
        fault(&breaker, Tenant::Known(tenant), now);
    }
    let later = now + FIRST_SUSPENSION;
    for tenant in 1..4 {
        let refused = enter(&breaker, Tenant::Known(tenant), later).unwrap_err();
        assert_eq!(refused.scope, Scope::Tenant, "not yet");
    }
    for other in 11..14 {
        serve(&breaker, Tenant::Known(other), later);
    }
    let later = later + FIRST_SUSPENSION;
    for tenant in 1..4 {
        let suspended = fault(&breaker, Tenant::Known(tenant), later).expect("a failed probe");
        assert_eq!(suspended.scope, Scope::Tenant, "others were served");
    }
}

#[test]
fn instances_that_fail_to_start_suspend_for_all() {
    let breaker = Breaker::default();
    let now = Instant::now();
    let start = |at| {
        let ticket = enter(&breaker, ONE, at).expect("the plugin is called");
        ticket.faulted(Cause::Start, at)
    };
    assert_eq!(start(now), None, "once");
    assert_eq!(start(now), None, "twice");
    let third = start(now);
    assert_eq!(
        third,
        Some(suspended(Scope::All, FIRST_SUSPENSION)),
        "enough"
    );
    assert!(enter(&breaker, Tenant::Known(2), now).is_err(), "for all");
}

#[test]
fn a_record_is_bounded_and_forgotten_in_time() {
    let breaker = Breaker::default();
    let now = Instant::now();
    for tenant in 0..1_000 {
        if let Ok(ticket) = enter(&breaker, Tenant::Known(tenant), now) {
            if tenant % 2 == 0 {
                ticket.succeeded(|| Tenant::Known(tenant), || now);
            } else {
                ticket.faulted(Cause::Call(Tenant::Known(tenant)), now);
            }
        }
        let known = breaker.lock().len();
        assert!(known <= 2 * MAX_TENANTS, "after {tenant}: {known}");
    }
    let later = now + 3 * MAX_SUSPENSION;
    drop(enter(&breaker, ONE, later).expect("it is called"));
    assert!(!breaker.alert.load(Ordering::Acquire), "nothing is left");
    assert_eq!(breaker.lock().len(), 0, "of nobody");
}

#[test]
fn a_suspension_of_the_hosts_own_calls_is_reported_and_affects_no_caller() {
    let breaker = Breaker::default();
    let now = Instant::now();
    suspend(&breaker, Tenant::Host, now);
    serve(&breaker, ONE, now);
    assert!(enter(&breaker, Tenant::Host, now).is_err(), "it is paused");
    assert_eq!(
        breaker.suspended(now),
        Some(FIRST_SUSPENSION),
        "which is told"
    );
    assert_eq!(breaker.suspended_callers(now), 0, "no caller is");
}
