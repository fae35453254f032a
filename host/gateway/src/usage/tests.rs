use std::fs;

use tokio::time::timeout;
use witgate_usage::{Keep, Kind, Room, Source, Zone};

use super::*;

/// Never waited for in full unless something is broken.
const LONG: Duration = Duration::from_secs(60);

/// Returns the roll-ups of the receipts files in a folder.
fn kept(folder: &Path, news: Arc<Notify>) -> Arc<Usage> {
    let config = Config {
        database: folder.join("usage.db"),
        sources: vec![Source {
            path: folder.join("receipts.jsonl"),
            kind: Kind::Evidence,
        }],
        metadata: Vec::new(),
        zone: Zone::UTC,
        keep: Keep {
            minutes: 2,
            hours: 62,
            days: 800,
            sessions: 90,
            room: Room {
                series: 100,
                details_a_day: 100,
            },
        },
    };
    Arc::new(Usage::new(Some(config), news))
}

/// Waits until so many requests were added up.
async fn adds_up(usage: &Arc<Usage>, requests: u64) {
    let wording = Wording::default();
    let added = async {
        loop {
            let wording = wording.clone();
            let asked = usage.ask(move |asking| Ok(asking.report(&wording, None)?.0));
            // The database may not be there yet.
            if asked
                .await
                .is_ok_and(|report| report.total.requests == requests)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, added)
        .await
        .unwrap_or_else(|_| panic!("{requests} requests are added up"));
}

#[tokio::test]
async fn receipts_are_added_up_when_their_writer_tells_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let news = Arc::<Notify>::default();
    let usage = kept(folder.path(), Arc::clone(&news));
    let (stop, stopped) = watch::channel(false);
    // A look by itself is too late for this test.
    let running = tokio::spawn(Arc::clone(&usage).follow(LONG * 60, stopped));
    adds_up(&usage, 0).await;
    let mut text = String::new();
    for written in 1..=3 {
        text += &format!(
            "{{\"id\":\"req_wg{written}\",\"started_unix_ms\":{},\"endpoint\":\"messages\",\"outcome\":\"answered\",\"key\":\"k1\"}}\n",
            unix_ms()
        );
        fs::write(folder.path().join("receipts.jsonl"), &text).unwrap();
        news.notify_one();
        adds_up(&usage, written).await;
    }
    stop.send(true).unwrap();
    timeout(LONG, running).await.expect("it stops").unwrap();
}

#[tokio::test]
async fn receipts_of_another_process_are_found_by_a_look() {
    let folder = tempfile::tempdir().unwrap();
    let usage = kept(folder.path(), Arc::default());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(Arc::clone(&usage).follow(Duration::from_millis(50), stopped));
    adds_up(&usage, 0).await;
    let text = format!(
        "{{\"id\":\"req_wg1\",\"started_unix_ms\":{},\"endpoint\":\"messages\",\"outcome\":\"answered\",\"key\":\"k1\"}}\n",
        unix_ms()
    );
    fs::write(folder.path().join("receipts.jsonl"), text).unwrap();
    adds_up(&usage, 1).await;
}
