//! A capacity that goes on from what another one counted.

use super::*;

const SHARES: [(&str, Terms); 2] = [("chat", priority(2)), ("batch", priority(1))];

fn resumed(shares: &[(&str, Terms)], before: &Arc<Capacity>, now: u64) -> Arc<Capacity> {
    let config = config(
        &[per(Window::Minute, 1_000), per(Window::Hour, 9_000)],
        shares,
    );
    Capacity::try_resume(&config, &before.state(now), now).unwrap()
}

#[test]
fn use_and_need_go_on_as_if_nothing_had_happened() {
    let before = thousand(&SHARES);
    for second in 0..20 {
        spend(&before, "chat", 10, START + second * SECOND).unwrap();
        spend(&before, "batch", 20, START + second * SECOND).unwrap();
    }
    let now = START + 30 * SECOND;
    let after = Capacity::try_resume(
        &config(&[per(Window::Minute, 1_000)], &SHARES),
        &before.state(now),
        now,
    );
    let after = after.unwrap();
    for later in (now..now + 40 * MINUTE).step_by(3_700) {
        let both = [&before, &after].map(|capacity| capacity.status(later).limits);
        assert_eq!(both[0], both[1], "at {}", later - START);
    }
}

#[test]
fn a_resource_without_terms_any_more_counts_for_the_others() {
    let before = thousand(&SHARES);
    spend(&before, "batch", 300, START).unwrap();
    let after = resumed(&SHARES[..1], &before, START);
    let shares = &after.status(START).limits[0].shares;
    let used: Vec<(&str, u64)> = shares
        .iter()
        .map(|share| (&*share.resource, share.used))
        .collect();
    assert_eq!(used, [("*", 300), ("chat", 0)], "of all others");
    assert_eq!(shares[0].need, 0, "its need was its own");
}

#[test]
fn a_limit_that_is_new_begins_with_nothing_used() {
    let before = thousand(&SHARES);
    spend(&before, "batch", 300, START).unwrap();
    let used: Vec<u64> = resumed(&SHARES, &before, START)
        .status(START)
        .limits
        .iter()
        .map(|limit| limit.used)
        .collect();
    assert_eq!(used, [300, 0], "the minute is known, the hour is not");
}

#[test]
fn a_state_is_as_old_as_it_is() {
    let before = thousand(&SHARES);
    spend(&before, "batch", 300, START).unwrap();
    let state = before.state(START + 20 * SECOND);
    let config = config(&[per(Window::Minute, 1_000)], &SHARES);
    let resumed = |now| Capacity::try_resume(&config, &state, now).unwrap();
    let at = START + 50 * SECOND;
    assert_eq!(
        resumed(at).status(at).limits[0].used,
        300,
        "within the minute"
    );
    let at = START + 70 * SECOND;
    assert_eq!(resumed(at).status(at).limits[0].used, 0, "after it");
}

#[test]
fn a_state_that_is_longer_than_a_window_is_cut() {
    let before = thousand(&SHARES);
    spend(&before, "batch", 300, START).unwrap();
    let mut state = before.state(START);
    for share in &mut state.limits[0].shares {
        share.used.extend([u64::MAX; 500]);
        share.peaks.extend([u64::MAX; 500]);
    }
    let config = config(&[per(Window::Minute, 1_000)], &SHARES);
    let after = Capacity::try_resume(&config, &state, START).unwrap();
    assert_eq!(after.status(START).limits[0].used, 300, "what is within it");
}
