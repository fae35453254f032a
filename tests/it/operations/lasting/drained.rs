//! Exchanges of a process that handed over, and was killed while it drained.

use super::{
    OUTPUT_PICOUSD, ask, body, cost, installation, receipts_when, settled, upstream, used,
};
use crate::harness::Pause;

/// The processes that are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    Old,
    NewAndOld,
    OldAndNew,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_of_a_process_that_drained_has_its_own_receipt_whichever_processes_die() {
    for dies in [Dies::Old, Dies::NewAndOld, Dies::OldAndNew] {
        let pause = Pause::new();
        let upstream = upstream(&pause).await;
        let installation = installation(&upstream);
        let old = installation.start().await;
        let mut client = old.client().await;
        client.send(&installation.messages(&body(true))).await;
        let mut reply = client.reply().await;
        let id = reply
            .headers
            .get("witgate-request-id")
            .expect("an id")
            .to_owned();
        for event in 0..4 {
            assert!(
                reply.event().await.is_some(),
                "event {event} is with the client"
            );
        }
        let new = installation.upgrade().await;
        ask(&installation, &new).await;
        let last = match dies {
            Dies::Old => {
                old.die().await;
                new.says("the old process has ended").await;
                new
            }
            Dies::NewAndOld => {
                new.die().await;
                old.die().await;
                installation.start().await
            }
            Dies::OldAndNew => {
                let (_, _) = tokio::join!(old.die(), new.die());
                installation.start().await
            }
        };
        let budgets = settled(&last).await;
        let receipts = receipts_when(&installation, 2).await;
        let of_stream: Vec<_> = receipts
            .iter()
            .filter(|receipt| receipt["id"] == *id)
            .collect();
        assert_eq!(of_stream.len(), 1, "{dies:?}: {receipts:?}");
        assert_eq!(
            of_stream[0]["outcome"], "crash-estimated",
            "{dies:?}: {receipts:?}"
        );
        let served = 1000 * 1_000_000 + OUTPUT_PICOUSD;
        let spent = of_stream[0]["cost_picousd"].as_i64().expect("a number");
        assert!(
            (served..=served + (4 + 1024) * OUTPUT_PICOUSD).contains(&spent),
            "{dies:?}: what its client got, and one extension at the most: {spent}"
        );
        assert_eq!(used(&budgets, "requests"), 2, "{dies:?}: {budgets}");
        assert_eq!(
            cost(&receipts),
            used(&budgets, "picousd"),
            "{dies:?}: the receipts say the same"
        );
        let marks = std::fs::read_dir(installation.file("state/ledger")).unwrap();
        let marks = marks.map(|entry| entry.unwrap().file_name());
        let marks: Vec<_> = marks
            .filter(|name| name.to_string_lossy().starts_with("draining-"))
            .collect();
        assert!(marks.is_empty(), "{dies:?}: nothing is left: {marks:?}");

        last.die().await;
        let again = installation.start().await;
        let again = settled(&again).await;
        assert_eq!(
            used(&again, "picousd"),
            cost(&installation.receipts()),
            "{dies:?}: another kill changes nothing"
        );
        assert_eq!(
            installation.receipts().len(),
            2,
            "{dies:?}: and leaves no further receipt"
        );
    }
}
