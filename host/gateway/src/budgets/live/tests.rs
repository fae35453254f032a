//! Live limits over time, by a clock of the tests' own.

use witgate_ledger::{Charge, OnShortfall, Unit, Window};

use super::change::{Change, Target};
use super::in_force::InForce;
use super::limit::{Key, Origin};
use super::*;

/// 2026-11-29, 12:00 UTC.
const NOON: UnixMillis = UnixMillis(1_795_953_600_000);

const USER: &str = "user:acme/jane";

const ON: (&str, Window, Unit) = (USER, Window::Day, Unit::Requests);

fn after(ms: u64) -> UnixMillis {
    UnixMillis(NOON.0 + ms)
}

async fn change(limits: &Arc<LiveLimits>, ledger: &Arc<Ledger>, change: Change) {
    let request = Request {
        actor: "admin-key:ops".into(),
        reason: None,
        target: Target::Key(Key {
            account: USER.into(),
            window: ON.1,
            unit: ON.2,
        }),
        change,
        expected: None,
        once: None,
    };
    let done = limits.change(ledger, request, NOON).await;
    done.expect("the store is well").expect("it is possible");
}

/// Whether a request fits at a time, of which the sidecar allows this many.
fn fits(limits: &LiveLimits, ledger: &Arc<Ledger>, sidecar: u64, at: UnixMillis) -> bool {
    let limit = limits.table().limit(ON, None, Some(sidecar), at);
    let charge = Charge {
        account: USER.into(),
        window: ON.1,
        unit: ON.2,
        limit: limit.expect("there is one"),
        amount: 1,
        shortfall: OnShortfall::Refuse,
    };
    match ledger.reserve(vec![charge], "acme", at) {
        Ok(hold) => {
            hold.settle(witgate_ledger::Amounts {
                requests: 1,
                ..Default::default()
            });
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn an_override_ends_by_itself_and_the_limit_before_it_holds_again() {
    let store = Store::in_memory(&[MIGRATION]).unwrap();
    let limits = Arc::new(LiveLimits::open(store).unwrap());
    let ledger = Ledger::new();
    let origin = |at| {
        let table = limits.table();
        let shown = InForce::of((&table, limits.tiers()), ON, Some(2), at);
        (shown.origin, shown.limit)
    };
    change(
        &limits,
        &ledger,
        Change::Override(Some(100), after(8 * 3_600_000)),
    )
    .await;
    let last = after(8 * 3_600_000 - 1);
    for at in [NOON, NOON, NOON, last] {
        assert!(fits(&limits, &ledger, 2, at), "under the override");
    }
    assert_eq!(origin(last), (Origin::Override, Some(100)), "to its end");
    let end = after(8 * 3_600_000);
    assert!(
        !fits(&limits, &ledger, 2, end),
        "two and more of two are used"
    );
    assert_eq!(origin(end), (Origin::Sidecar, Some(2)), "from then on");
    change(&limits, &ledger, Change::Set(Some(5))).await;
    assert!(fits(&limits, &ledger, 2, end), "the one that is set");
}
