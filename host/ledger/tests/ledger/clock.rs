//! Clocks that are set.

use witgate_ledger::{Ledger, Reason, Window};

use crate::charges::{NOW, tokens, used};

#[test]
fn a_clock_that_is_set_back_gives_nothing_out_twice() {
    let ledger = Ledger::new();
    let tomorrow = Window::Day.resets_at(NOW).unwrap();
    let spend = |now| ledger.reserve(vec![tokens("alice", 10, 10)], "acme", now);
    spend(tomorrow).expect("nothing is spent").settle(used(10));
    for (now, when) in [(NOW, "in an earlier period"), (tomorrow, "in its own")] {
        let refused = spend(now).expect_err("it is spent");
        assert!(
            matches!(refused.reason, Reason::Spent { remaining: 0, .. }),
            "{when}: {:?}",
            refused.reason
        );
    }
}
