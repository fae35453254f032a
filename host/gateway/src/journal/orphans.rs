//! Holds that an earlier process did not live to settle, and settlements whose receipts it did not live to write.
//!
//! An exchange whose receipt was written is settled by it. Any other is settled at its last extension, which covers what its
//! client had got, and leaves a receipt of its own. So does one that was settled and has no receipt. A batch that is settled
//! in the store is settled with the same amounts, and gets a receipt if it has none; one that still runs is released here and held
//! again from its record.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use tokio::task::spawn_blocking;
use witgate_journal::{Ended, Orphan, Recovered};
use witgate_ledger::{Amounts, BalanceKey, UnixMillis};
use witgate_messages::Tokens;
use witgate_messages::price::{Cost, Pricing};

use super::written::{Ids, Written, receipts_of};
use crate::amounts::amounts;
use crate::gateway::Gateway;
use crate::receipts::batch_note::BatchNote;
use crate::receipts::charged::Charged;
use crate::receipts::crash_note::CrashNote;
use crate::receipts::receipt::{Outcome, Receipt};

/// The endpoint on receipts of these settlements.
const ENDPOINT: &str = "crash-settlement";

/// The beginning of the gateway's ids of requests.
pub(super) const REQUEST: &str = "req_wg";

/// Settlements before the last one with a receipt that may have none: receipts are written nearly in the order of
/// settlements, and in batches.
const UNORDERED: usize = 256;

/// The settlement of an exchange that has no receipt.
pub(super) struct Ending {
    name: Arc<str>,
    owner: Arc<str>,
    opened: UnixMillis,
    amounts: Amounts,
    charged: Vec<Charged>,
    outcome: Outcome,
    ending: &'static str,
}

/// The balances that amounts are charged to.
fn charged(balances: Vec<BalanceKey>, amounts: Amounts) -> Vec<Charged> {
    let charged = balances.into_iter();
    charged
        .filter_map(|balance| Charged::new(balance, amounts))
        .collect()
}

// === impl Ending ===

impl Ending {
    pub(super) fn estimated(orphan: Orphan) -> Self {
        Self {
            name: orphan.name,
            owner: orphan.owner,
            opened: orphan.opened,
            amounts: orphan.extended,
            charged: charged(orphan.balances, orphan.extended),
            outcome: Outcome::CrashEstimated,
            ending: "the gateway was killed before the exchange ended; it is settled at the last extension of its hold",
        }
    }

    pub(super) fn settled(ended: &Ended) -> Self {
        Self {
            name: Arc::clone(&ended.name),
            owner: Arc::clone(&ended.owner),
            opened: ended.opened,
            amounts: ended.amounts,
            charged: charged(ended.balances.clone(), ended.amounts),
            outcome: Outcome::CrashSettled,
            ending: "the gateway was killed before the receipt was written; the amounts are those of the ledger",
        }
    }

    /// Returns the ending of all exchanges of an owner that a process had open which handed over and was killed.
    pub(super) fn of_predecessor(
        owner: Arc<str>,
        at: UnixMillis,
        amounts: Amounts,
        charged: Vec<Charged>,
    ) -> Self {
        Self {
            name: "".into(),
            owner,
            opened: at,
            amounts,
            charged,
            outcome: Outcome::CrashEstimated,
            ending: "the gateway was killed while it drained after a hand-over; the exchanges of this owner that were open are settled together at the last extensions of their holds",
        }
    }

    /// Returns its receipt.
    pub(super) fn receipt(&self) -> Receipt {
        let is_request = self.name.starts_with(REQUEST);
        let id = match is_request {
            true => Arc::clone(&self.name),
            false => format!("{REQUEST}{:032x}", rand::random::<u128>()).into(),
        };
        let mut receipt = Receipt::new(id, self.opened.0, "");
        if !is_request && !self.name.is_empty() {
            let batch = BatchNote::settled_before(&self.name);
            receipt.usage.batch = Some(Box::new(batch));
        }
        receipt.request.endpoint = ENDPOINT;
        receipt.response.outcome = Some(self.outcome);
        receipt.response.ending = Some(self.ending.into());
        receipt.usage.cost = Some(Cost {
            picousd: self.amounts.picousd,
            pricing: Pricing::Priced,
        });
        receipt.usage.charged = self.charged.clone();
        receipt.usage.crash = Some(Box::new(CrashNote {
            owner: Arc::clone(&self.owner),
            amounts: self.amounts,
        }));
        receipt
    }
}

/// Settles the holds that are open in the journal. Returns the settlements of exchanges that have no receipt.
///
/// `elsewhere` are the batches that another process has settled, whose journal has it: they are only released here.
pub(super) async fn settle(
    recovered: &mut Recovered,
    elsewhere: &Ids,
    gateway: &Arc<Gateway>,
) -> anyhow::Result<Vec<Ending>> {
    let (orphans, batches): (Vec<_>, Vec<_>) = recovered
        .orphans()
        .into_iter()
        .partition(|orphan| orphan.name.is_empty() || orphan.name.starts_with(REQUEST));
    let mut ended = with_use(recovered);
    for batch in batches {
        let settled = match elsewhere.contains(&batch.name) {
            true => None,
            false => gateway.batches.settled(&batch.name).await?,
        };
        recovered.settle(batch.number, settled.unwrap_or_default());
        // Settled in the store, and then nowhere else.
        let settled = settled.filter(|amounts| *amounts != Amounts::default());
        ended.extend(settled.map(|amounts| Ended {
            name: batch.name,
            owner: batch.owner,
            opened: batch.opened,
            amounts,
            balances: batch.balances,
        }));
    }
    let orphaned = orphans.iter().map(|orphan| &orphan.name);
    let names = orphaned.chain(ended.iter().map(|ended| &ended.name));
    let names: Ids = names.map(Arc::clone).collect();
    let file = gateway.snapshot().config.receipts.file.clone();
    let mut endings = Vec::new();
    let mut receipts = Written::new();
    if let Some(file) = file {
        receipts = written(file, names).await?;
        endings.extend(without_receipt(&ended, &receipts).map(Ending::settled));
    }
    let open = orphans.len();
    for orphan in orphans {
        if let Some(receipt) = receipts.remove(&orphan.name) {
            recovered.settle(orphan.number, settled_by(&receipt, orphan.extended));
        } else {
            recovered.settle(orphan.number, orphan.extended);
            endings.push(Ending::estimated(orphan));
        }
    }
    if open + endings.len() > 0 {
        tracing::warn!(
            open_holds = open,
            without_receipt = endings.len(),
            "an earlier process was killed; its open holds are settled, and receipts that it did not live to write are written"
        );
    }
    Ok(endings)
}

/// Returns what ended and has used something: exchanges, and batches by their ids.
pub(super) fn with_use(recovered: &Recovered) -> Vec<Ended> {
    let ended = recovered.ended();
    ended
        .filter(|ended| ended.amounts != Amounts::default())
        .cloned()
        .collect()
}

async fn written(file: PathBuf, names: Ids) -> anyhow::Result<Written> {
    let path = file.clone();
    spawn_blocking(move || receipts_of(&names, &path))
        .await?
        .with_context(|| format!("the receipts in {} can't be read", file.display()))
}

/// Returns the settlements whose receipts were not written. Long before the last one that was, all were.
pub(super) fn without_receipt<'a>(
    ended: &'a [Ended],
    receipts: &Written,
) -> impl Iterator<Item = &'a Ended> {
    let has_receipt = |ended: &Ended| receipts.contains_key(&ended.name);
    let last = ended.iter().rposition(has_receipt).unwrap_or(ended.len());
    let first = last.saturating_sub(UNORDERED);
    ended
        .iter()
        .skip(first)
        .filter(move |ended| !has_receipt(ended))
}

/// Returns the amounts that a receipt says were settled. What an audit plugin took off it is as the hold has it.
pub(super) fn settled_by(receipt: &Value, extended: Amounts) -> Amounts {
    let cost = receipt.get("cost_picousd").and_then(Value::as_u64);
    if let Some(crash) = receipt.get("crash") {
        let of = |name: &str| crash.get(name).and_then(Value::as_u64).unwrap_or(0);
        return Amounts {
            picousd: cost.unwrap_or(0),
            tokens: of("tokens"),
            input_tokens: of("input_tokens"),
            output_tokens: of("output_tokens"),
            cached_tokens: of("cached_tokens"),
            requests: of("requests"),
        };
    }
    let usage = receipt.get("usage");
    if cost.is_none() && usage.is_none() && receipt.get("attempts").is_none() {
        // Nothing was sent.
        return Amounts::default();
    }
    let picousd = cost.unwrap_or(extended.picousd);
    let requests = extended.requests.max(1);
    let Some(usage) = usage else {
        return Amounts {
            picousd,
            requests,
            ..extended
        };
    };
    let of = |kind: &str| usage.get(kind).and_then(Value::as_u64).unwrap_or(0);
    let tokens = Tokens {
        input: of("input_tokens"),
        output: of("output_tokens"),
        cache_read: of("cache_read_input_tokens"),
        cache_write: of("cache_creation_input_tokens"),
        cache_split: None,
    };
    amounts(&tokens, picousd, requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn ended(number: usize) -> Ended {
        Ended {
            name: format!("req_wg{number}").into(),
            owner: "acme".into(),
            opened: UnixMillis(1),
            amounts: Amounts {
                picousd: 7,
                ..Amounts::default()
            },
            balances: Vec::new(),
        }
    }

    fn missing(count: usize, has_receipt: impl Fn(usize) -> bool) -> Vec<usize> {
        let all: Vec<_> = (0..count).map(ended).collect();
        let of = |number: usize| (Arc::clone(&all[number].name), Value::Null);
        let receipts = (0..count)
            .filter(|number| has_receipt(*number))
            .map(of)
            .collect();
        let missing = without_receipt(&all, &receipts);
        let number = |ended: &Ended| ended.name.trim_start_matches(REQUEST).parse().unwrap();
        missing.map(number).collect()
    }

    #[test]
    fn settlements_without_receipts_are_the_last_ones() {
        assert_eq!(missing(3, |_| false), [0, 1, 2], "the first crash of all");
        assert_eq!(missing(5, |number| number < 3), [3, 4], "the last two");
        assert_eq!(missing(5, |number| number != 3), [3], "one out of order");
        assert_eq!(
            missing(4000, |number| (3000..3998).contains(&number)),
            [3998, 3999],
            "older ones are in a file that was moved away"
        );
        assert_eq!(
            missing(4000, |_| false).len(),
            UNORDERED,
            "no more than may wait"
        );
    }

    #[test]
    fn amounts_are_read_from_every_kind_of_receipt() {
        let extended = Amounts {
            picousd: 9,
            tokens: 9,
            requests: 1,
            ..Amounts::default()
        };
        let of = |receipt: Value| {
            let amounts = settled_by(&receipt, extended);
            (amounts.picousd, amounts.tokens, amounts.requests)
        };
        let usage = json!({"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3});
        let whole = json!({"cost_picousd": 5, "usage": usage, "attempts": []});
        assert_eq!(of(whole), (5, 6, 1), "of an answer");
        assert_eq!(
            of(json!({"attempts": [{}], "usage": {}})),
            (9, 0, 1),
            "without a price"
        );
        assert_eq!(
            of(json!({"refusal": {}})),
            (0, 0, 0),
            "of a request that was not sent"
        );
        let crash = json!({"cost_picousd": 5, "crash": {"tokens": 3, "requests": 1}});
        assert_eq!(of(crash), (5, 3, 1), "of an earlier crash");
    }
}
