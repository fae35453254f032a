//! The comparison of what all sides know, once there is no traffic.

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use serde_json::Value;

use super::clients::{CLIENTS, Seen};
use super::desk::{BATCH, Desk, OUTPUT};
use crate::harness::{Installation, Process};

/// What a hold is ahead of its client, at the most.
const EXTENSION: i64 = 1024 * OUTPUT;

/// The receipts so far. Only what was written since the last look is read.
#[derive(Default)]
pub struct Receipts {
    read: u64,
    by_id: HashMap<String, Receipt>,
    /// What receipts charge to each balance: the account, the window and the unit.
    charged: HashMap<[String; 3], i64>,
    /// What is in the ledger and on no receipt, because a process that drained was killed.
    lost: HashMap<[String; 3], i64>,
    /// The exchanges that such a process took with it.
    excused: HashSet<String>,
    /// The number of kills of processes that drained.
    drained: i64,
    /// Contradictions among the receipts alone.
    faults: Vec<String>,
}

/// The strictness of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Each exchange has its receipt.
    Exact,
    /// A process may have been killed while it drained. What it was about to send to the one that has taken over is counted without
    /// a receipt, or with one for several exchanges.
    Drained,
}

/// The part of a receipt that is compared.
#[derive(Debug, Clone)]
struct Receipt {
    outcome: String,
    endpoint: String,
    cost: i64,
    batch: Option<String>,
}

// === impl Receipts ===

impl Receipts {
    fn read(&mut self, installation: &Installation) {
        let mut file = std::fs::File::open(installation.file("receipts.jsonl")).unwrap();
        file.seek(SeekFrom::Start(self.read)).unwrap();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                break;
            }
            self.read += line.len() as u64;
            // What a kill cut is covered by the next record.
            if let Ok(receipt) = serde_json::from_slice::<Value>(line) {
                self.take(&receipt);
            }
        }
    }

    fn take(&mut self, receipt: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = text(&receipt["id"]).expect("a receipt has an id");
        for charge in receipt["charges"].as_object().into_iter().flatten() {
            let charge = charge.1.as_str().expect("a text");
            let words: Vec<_> = charge.splitn(5, ' ').collect();
            let [used, unit, window, _, account] = words[..] else {
                panic!("no charge: {charge}");
            };
            let balance = [account, window, unit].map(str::to_owned);
            let used: i64 = used.parse().expect("a number");
            *self.charged.entry(balance).or_default() += used;
        }
        let taken = Receipt {
            outcome: text(&receipt["outcome"]).expect("a receipt has an outcome"),
            endpoint: text(&receipt["endpoint"]).unwrap_or_default(),
            cost: receipt["cost_picousd"].as_i64().unwrap_or(0),
            batch: text(&receipt["batch"]["id"]),
        };
        if let Some(before) = self.by_id.insert(id.clone(), taken) {
            self.faults
                .push(format!("two receipts of {id}: {before:?} and {receipt}"));
        }
    }

    fn sum(&self) -> i64 {
        self.by_id.values().map(|receipt| receipt.cost).sum()
    }

    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// The number of exchanges that have no receipt of their own, and what of their money is on none.
    pub fn without(&self) -> (usize, i64) {
        let money = self
            .lost
            .iter()
            .filter(|(balance, _)| balance[2] == "picousd");
        (self.excused.len(), money.map(|(_, lost)| *lost).sum())
    }
}

/// Returns every contradiction that stays, between ledger, receipts, sums, clients and what was served. Receipts of batches are written
/// a moment after their holds have ended.
pub async fn contradictions(
    installation: &Installation,
    process: &Process,
    receipts: &mut Receipts,
    known: (&Seen, &Desk),
    rule: Rule,
) -> Vec<String> {
    for _ in 0..100 {
        if look(installation, process, receipts, known, Rule::Exact)
            .await
            .is_empty()
        {
            return Vec::new();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    look(installation, process, receipts, known, rule).await
}

async fn look(
    installation: &Installation,
    process: &Process,
    receipts: &mut Receipts,
    (seen, desk): (&Seen, &Desk),
    rule: Rule,
) -> Vec<String> {
    desk.end_batches(true);
    let budgets = process
        .budgets_when("every hold to be settled", |budgets| {
            budgets["open_holds"] == 0
        })
        .await;
    // The page catches up with the receipts before it answers.
    let usage = process.admin("/usage?window=year").await.json();
    desk.end_batches(false);
    receipts.read(installation);
    let mut faults = receipts.faults.clone();
    let sum = receipts.sum();
    let mut charged = receipts.charged.clone();
    for account in budgets["accounts"].as_array().expect("a list") {
        let of = |name: &str| account[name].as_str().expect("a text").to_owned();
        let balance = [of("account"), of("window"), of("unit")];
        let lost = receipts.lost.entry(balance.clone()).or_default();
        let in_receipts = charged.remove(&balance).unwrap_or(0);
        let more = account["used"].as_i64().expect("a number") - in_receipts - *lost;
        if rule == Rule::Drained && more > 0 {
            *lost += more;
        } else if more != 0 {
            faults.push(format!(
                "{balance:?}: {in_receipts} in receipts and {lost} lost, in the ledger {account}"
            ));
        }
        if balance[2] == "picousd" && in_receipts != sum {
            faults.push(format!(
                "{balance:?}: {in_receipts} is charged, and {sum} the cost"
            ));
        }
    }
    if !charged.is_empty() {
        faults.push(format!("not in the ledger: {charged:?}"));
    }
    let summed = &usage["total"]["cost_usd"];
    if *summed != dollars(sum) {
        faults.push(format!(
            "the roll-ups have {summed}, and the receipts {}",
            dollars(sum)
        ));
    }
    faults.extend(of_exchanges(receipts, seen, desk, rule));
    faults.extend(of_batches(receipts, seen, rule));
    let settled = receipts.by_id.values();
    let estimated = settled.filter(|receipt| receipt.outcome == "crash-estimated");
    let estimated = i64::try_from(estimated.count()).unwrap();
    // A receipt for several exchanges is of no more than ran at once.
    receipts.drained += i64::from(rule == Rule::Drained);
    let ahead = (estimated + receipts.drained * CLIENTS) * EXTENSION;
    let batches = receipts.by_id.values();
    let batches = batches
        .filter(|receipt| receipt.batch.is_some() && receipt.endpoint.ends_with("-settlement"));
    let of_batches: i64 = batches.map(|receipt| receipt.cost).sum();
    let served = desk.served_in_all();
    if sum - of_batches > served + ahead {
        faults.push(format!(
            "{sum} with {of_batches} for batches, and {served} was served"
        ));
    }
    for id in &seen.files {
        let path = format!("/v1/files/{id}");
        let request = installation.messages(&Value::Null);
        let key = request.headers.get("x-api-key").expect("a key");
        let request = crate::harness::Request::new("GET", &path)
            .header("Host", "gateway.test")
            .header("x-api-key", key);
        let answer = process.client().await.ask(&request).await;
        if answer.status != 200 {
            faults.push(format!("the owner of {id} is lost: {}", answer.text()));
        }
    }
    faults
}

fn of_exchanges(receipts: &mut Receipts, seen: &Seen, desk: &Desk, rule: Rule) -> Vec<String> {
    let mut faults = Vec::new();
    let whole = seen.whole.iter().map(|it| (it, true));
    let all = whole.chain(seen.parts.iter().map(|it| (it, false)));
    for ((id, (tag, got)), is_whole) in all {
        let Some(receipt) = receipts.by_id.get(id) else {
            if rule == Rule::Drained {
                receipts.excused.insert(id.clone());
            }
            if receipts.excused.contains(id) {
                continue;
            }
            faults.push(format!(
                "no receipt of {id}, of which {got} are with its client"
            ));
            continue;
        };
        let served = desk.served(tag);
        let most = match receipt.outcome.as_str() {
            // Until its end a stream's tokens are an estimate from its bytes.
            "crash-estimated" => served + EXTENSION + served / 100,
            _ if is_whole => *got,
            _ => served + served / 100,
        };
        if !(*got..=most).contains(&receipt.cost) {
            faults.push(format!(
                "{id} ({tag}): {got} are with its client, {served} was served, {most} is the most: {receipt:?}"
            ));
        }
    }
    faults
}

fn of_batches(receipts: &mut Receipts, seen: &Seen, rule: Rule) -> Vec<String> {
    let mut faults = Vec::new();
    let mut settled = HashMap::<&str, u32>::new();
    for receipt in receipts.by_id.values() {
        if receipt.endpoint.ends_with("-settlement")
            && let Some(id) = &receipt.batch
        {
            *settled.entry(id).or_default() += 1;
            if receipt.cost != BATCH {
                faults.push(format!("{id} cost {BATCH}: {receipt:?}"));
            }
        }
    }
    let mut excused = Vec::new();
    for (id, times) in &settled {
        if *times > 1 {
            faults.push(format!("{id} was settled {times} times"));
        }
    }
    for id in &seen.batches {
        let is_excused = receipts.excused.contains(id);
        if settled.contains_key(id.as_str()) || is_excused {
            continue;
        }
        if rule == Rule::Drained {
            excused.push(id.clone());
        } else {
            faults.push(format!("{id} was not settled"));
        }
    }
    receipts.excused.extend(excused);
    faults
}

/// Returns a cost as the pages show it.
fn dollars(picousd: i64) -> String {
    let text = format!(
        "{}.{:012}",
        picousd / 1_000_000_000_000,
        picousd % 1_000_000_000_000
    );
    let zeros = text.len() - text.trim_end_matches('0').len();
    text[..text.len() - zeros.min(10)].to_owned()
}
