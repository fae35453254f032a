//! Held once, settled once, whatever happens to the process.

use std::path::Path;

use tempfile::TempDir;
use witgate_ledger::{Charge, OnShortfall, Statement, Unit, Window};

use super::*;
use crate::clock::now;
use crate::config::Config;
use crate::server::{Options, Server};
use crate::store::Migration;
use crate::tenants::owners;

const MIGRATIONS: &[Migration] = &[owners::MIGRATION, MIGRATION, KINDS_OF_TOKENS];

/// The ledger and the batches of a process.
struct Process {
    ledger: Arc<Ledger>,
    batches: Batches,
}

impl Process {
    fn start(folder: &TempDir) -> Self {
        let store = Store::open(folder.path(), MIGRATIONS).unwrap();
        Self {
            ledger: Ledger::new(),
            batches: Batches::new(store),
        }
    }

    async fn open(&self, id: &str, window: Window, created: UnixMillis) {
        let charge = |unit, amount| Charge {
            account: "tenant:acme".into(),
            window,
            unit,
            limit: 100,
            amount,
            shortfall: OnShortfall::Refuse,
        };
        let charges = vec![charge(Unit::PicoUsd, 60), charge(Unit::Tokens, 50)];
        let hold = self.ledger.reserve(charges, "acme", created).unwrap();
        let record = Record {
            id: id.into(),
            upstream: "gone".into(),
            created,
            facts: Facts::of(3, Maker::default(), Vec::new(), Some(&hold)),
        };
        self.batches.open(record, Some(hold)).await.unwrap();
    }

    async fn catch_up(&self) {
        let caught_up = self.batches.catch_up(&self.ledger, now()).await;
        caught_up.unwrap();
    }

    fn money(&self) -> Option<Statement> {
        let balances = self.ledger.snapshot(now()).balances;
        balances.into_iter().find(|it| it.unit == Unit::PicoUsd)
    }

    fn used_and_held(&self) -> (u64, u64) {
        self.money().map_or((0, 0), |it| (it.used, it.held))
    }
}

fn spent(picousd: u64) -> Amounts {
    Amounts {
        picousd,
        tokens: 7,
        ..Amounts::default()
    }
}

#[tokio::test]
async fn what_is_held_for_a_batch_is_held_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = Process::start(&folder);
    before.open("msgbatch_1", Window::Month, now()).await;
    drop(before);
    let after = Process::start(&folder);
    after.catch_up().await;
    after.catch_up().await;
    assert_eq!(
        after.used_and_held(),
        (0, 60),
        "once, however often it looks"
    );
    let record = after.batches.record("msgbatch_1").unwrap();
    assert_eq!(record.facts.requests, 3, "with all that is known of it");
}

#[tokio::test]
async fn a_hold_of_a_period_that_was_over_is_not_taken_into_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let before = Process::start(&folder);
    let long_ago = UnixMillis(now().0 - 7_200_000);
    before.open("msgbatch_1", Window::Minute, long_ago).await;
    let after = Process::start(&folder);
    after.catch_up().await;
    assert_eq!(
        after.used_and_held(),
        (0, 0),
        "nobody waits for that minute"
    );
    assert!(
        after.batches.record("msgbatch_1").is_some(),
        "it is settled all the same"
    );
}

#[tokio::test]
async fn of_two_processes_one_settles_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Process::start(&folder), Process::start(&folder));
    old.open("msgbatch_1", Window::Month, now()).await;
    new.catch_up().await;
    assert_eq!(new.used_and_held(), (0, 60), "the new process holds it too");

    let first = old
        .batches
        .record_settlement("msgbatch_1", spent(41))
        .await
        .unwrap();
    assert_eq!(first, None, "the first to settle is told so");
    let second = new
        .batches
        .record_settlement("msgbatch_1", spent(99))
        .await
        .unwrap();
    assert_eq!(second, Some(spent(41)), "the second is told what with");

    old.batches.settle_hold("msgbatch_1", spent(41));
    new.catch_up().await;
    assert_eq!(old.used_and_held(), (41, 0), "the old process");
    assert_eq!(
        new.used_and_held(),
        (0, 0),
        "the new one hears of it from the old one, and holds nothing"
    );
    old.catch_up().await;
    assert_eq!(
        old.used_and_held(),
        (41, 0),
        "what is settled stays settled"
    );
}

#[tokio::test]
async fn only_all_of_the_results_settle_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&folder);
    process.open("msgbatch_1", Window::Month, now()).await;
    let mut told = process.batches.take_news().unwrap();
    let totals = |succeeded, unread| {
        Box::new(Totals {
            succeeded,
            unread,
            ..Totals::default()
        })
    };
    process.batches.results_read("msgbatch_1", totals(2, 0));
    process.batches.results_read("msgbatch_1", totals(3, 1));
    process.batches.results_read("msgbatch_2", totals(3, 0));
    assert!(
        told.try_recv().is_err(),
        "parts of it, and of another, do not"
    );
    process.batches.results_read("msgbatch_1", totals(3, 0));
    assert!(told.try_recv().is_ok(), "all three do");
}

#[tokio::test]
async fn a_batch_that_cannot_be_written_down_is_not_held() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&folder);
    let store = process.batches.store.clone();
    store
        .call(|db| db.execute_batch("DROP TABLE batches"))
        .await
        .unwrap();
    let record = Record {
        id: "msgbatch_1".into(),
        upstream: "a".into(),
        created: now(),
        facts: Facts::default(),
    };
    let opened = process.batches.open(record, None).await;
    assert!(opened.is_err(), "the caller hears of it");
    assert!(
        process.batches.record("msgbatch_1").is_none(),
        "and nothing is left"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_could_settle_in_time_is_released_with_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("policies")).unwrap();
    let text = "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n\
                [plugins]\ndirectory = \"policies\"\n[upstreams.gone]\nbase_url = \"http://127.0.0.1:1\"\n\
                [state]\ndirectory = \"state\"\n[batches]\npoll_ms = 5\n[receipts]\nfile = \"receipts.jsonl\"\n";
    let long_ago = UnixMillis(now().0 - (LIFE + MARGIN).whole_millis() - 1_000);
    let process = Process {
        ledger: Ledger::new(),
        batches: Batches::new(Store::open(&at("state"), MIGRATIONS).unwrap()),
    };
    process.open("msgbatch_1", Window::Total, long_ago).await;

    let config = Config::parse(Path::new(&at("witgate.toml")), text).unwrap();
    let running = Server::start(config, Options::default()).await.unwrap();
    let receipt = loop {
        running.flush().await;
        let text = std::fs::read_to_string(at("receipts.jsonl")).unwrap_or_default();
        if let Some(line) = text.lines().next() {
            break serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(receipt["endpoint"], "batch-settlement", "{receipt}");
    assert_eq!(receipt["batch"]["ended"], "expired", "{receipt}");
    assert_eq!(
        receipt["cost_picousd"],
        serde_json::Value::Null,
        "{receipt}"
    );
    running.drain().await;
    process.catch_up().await;
    assert_eq!(
        process.used_and_held(),
        (0, 0),
        "it is settled with nothing"
    );
}
