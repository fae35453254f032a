//! The comparison of what all sides know, once there is no traffic.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::clients::Seen;
use super::desk::{BATCH, Desk, OUTPUT};
use super::receipts::Receipts;
use crate::harness::{Installation, Process};

/// What a hold is ahead of its client, at the most.
const EXTENSION: i64 = 1024 * OUTPUT;

/// Returns every contradiction that stays, between ledger, receipts, sums, clients and what was served. Receipts of batches are written
/// a moment after their holds have ended.
pub async fn contradictions(
    installation: &Installation,
    process: &Process,
    receipts: &mut Receipts,
    known: (&Seen, &Desk),
) -> Vec<String> {
    for _ in 0..100 {
        if look(installation, process, receipts, known)
            .await
            .is_empty()
        {
            return Vec::new();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    look(installation, process, receipts, known).await
}

async fn look(
    installation: &Installation,
    process: &Process,
    receipts: &mut Receipts,
    (seen, desk): (&Seen, &Desk),
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
        let in_receipts = charged.remove(&balance).unwrap_or(0);
        if account["used"] != in_receipts {
            faults.push(format!(
                "{balance:?}: {in_receipts} in receipts, in the ledger {account}"
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
    faults.extend(of_exchanges(receipts, seen, desk));
    faults.extend(of_batches(receipts, seen));
    let settled = receipts.by_id.values();
    let estimated = settled.filter(|receipt| receipt.outcome == "crash-estimated");
    let estimated = i64::try_from(estimated.count()).unwrap();
    let ahead = estimated * EXTENSION;
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

fn of_exchanges(receipts: &Receipts, seen: &Seen, desk: &Desk) -> Vec<String> {
    let mut faults = Vec::new();
    let whole = seen.whole.iter().map(|it| (it, true));
    let all = whole.chain(seen.parts.iter().map(|it| (it, false)));
    for ((id, (tag, got)), is_whole) in all {
        let Some(receipt) = receipts.by_id.get(id) else {
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

fn of_batches(receipts: &Receipts, seen: &Seen) -> Vec<String> {
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
    for (id, times) in &settled {
        if *times > 1 {
            faults.push(format!("{id} was settled {times} times"));
        }
    }
    for id in &seen.batches {
        if !settled.contains_key(id.as_str()) {
            faults.push(format!("{id} was not settled"));
        }
    }
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
