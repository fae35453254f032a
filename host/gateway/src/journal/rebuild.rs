//! The ledger and the receipts compared while no gateway runs, and the ledger made again from receipts.
//!
//! Receipts name the balances that they charge ([`Charged`]). A settled exchange is in both, so what balances have used is the sum of
//! the receipts. An exchange that a crash left open is in neither sum: the next start settles it. One that ended and left no receipt
//! counts by the journal, because the next start writes its receipt.
//!
//! What an operator took off a balance counts in neither: the state database knows it, or the journal if there was no time to note it.
//!
//! What can't be made again: the requests and sessions that were in use, limits (which come with the next request), and what is
//! in receipts that are gone, that are older than this, or whose charges an audit plugin took off.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use witgate_audit::segments::Lines;
use witgate_journal::{Directory, OnDamage, Recovered, draining, recover};
use witgate_ledger::{BalanceKey, Taken, Unit, UnixMillis};

use super::orphans::{with_use, without_receipt};
use super::written::settled_batch;
use crate::budgets::live::resets::{Reset, of_directory};
use crate::clock::now;
use crate::config::Config;
use crate::receipts::charged::Charged;

/// What a balance has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The balance.
    pub balance: BalanceKey,
    /// Its use by the receipts.
    pub in_receipts: u128,
    /// Its use by the journal.
    pub in_journal: u128,
}

/// The ledger and the receipts, compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The balances that count at this time, by account.
    pub balances: Vec<Compared>,
    /// The number of receipts that were read.
    pub receipts: u64,
    /// The number of receipts that cost something and do not name all balances that they are charged to.
    pub without_charges: u64,
    /// Damage of the journal.
    pub damage: Vec<String>,
    /// Exchanges that a crash left open; the next start settles them.
    pub open: usize,
    /// The folder with the files of the journal as they were, once it was made again.
    pub kept: Option<PathBuf>,
}

/// The uses of balances.
type Uses = HashMap<BalanceKey, u128>;

/// The receipts, as far as they are needed.
#[derive(Default)]
struct Sums {
    uses: Uses,
    receipts: u64,
    without_charges: u64,
    /// The receipts of exchanges that ended by the journal.
    ended: HashMap<Arc<str>, Value>,
}

/// Compares the journal in the state directory with the receipts files.
///
/// # Errors
///
/// A gateway runs, the configuration has no state or no receipts, or the files can't be read.
pub fn compare(config: &Config) -> anyhow::Result<Comparison> {
    let journal = Offline::open(config)?;
    Ok(journal.compare(now())?.0)
}

/// Raises each balance to what the receipts say, and begins the journal anew with that. The files as they were are kept.
///
/// # Errors
///
/// As [`compare`], and if the disk refuses.
pub fn rebuild(config: &Config) -> anyhow::Result<Comparison> {
    let mut journal = Offline::open(config)?;
    let (mut comparison, uses) = journal.compare(now())?;
    for (balance, used) in uses {
        journal.recovered.raise(balance, used);
    }
    comparison.kept = Some(journal.set_aside()?);
    journal
        .recovered
        .publish(&journal.directory)
        .with_context(|| format!("{} can't be written", journal.path.display()))?;
    Ok(comparison)
}

/// The journal of a gateway that does not run.
struct Offline {
    path: PathBuf,
    receipts: PathBuf,
    directory: Directory,
    recovered: Recovered,
    /// The resets by operators.
    resets: Vec<Reset>,
}

// === impl Compared ===

impl Compared {
    /// Returns whether both say the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.in_receipts == self.in_journal
    }
}

// === impl Offline ===

impl Offline {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let state = config.state.as_ref();
        let path = state
            .context("there is no ledger on disk: set `directory` in [state]")?
            .journal();
        let receipts = config.receipts.file.clone();
        let receipts = receipts.context("there are no receipts: set `file` in [receipts]")?;
        let directory = Directory::lock(&path, Duration::ZERO)
            .with_context(|| format!("{} can't be opened", path.display()))?
            .with_context(|| {
                format!(
                    "a gateway keeps the ledger in {}: stop it first",
                    path.display()
                )
            })?;
        anyhow::ensure!(
            draining(&path)?.is_empty(),
            "a gateway that handed over was killed, and the next start counts what it left in {}: start the gateway first",
            path.display()
        );
        let recovered = recover(&directory, OnDamage::Accept)
            .with_context(|| format!("{} can't be read", path.display()))?;
        let resets = state.map_or(Ok(Vec::new()), |state| of_directory(&state.directory));
        let resets = resets.context("the state database can't be read")?;
        Ok(Self {
            path,
            receipts,
            directory,
            recovered,
            resets,
        })
    }

    /// Returns the comparison, and the uses by the receipts.
    fn compare(&self, now: UnixMillis) -> anyhow::Result<(Comparison, Uses)> {
        let orphans = self.recovered.orphans();
        let open: HashSet<_> = orphans.iter().map(|orphan| &*orphan.name).collect();
        let ended = with_use(&self.recovered);
        let names = ended.iter().map(|ended| Arc::clone(&ended.name)).collect();
        let mut sums = Sums::read(&self.receipts, &open, &names)
            .with_context(|| format!("{} can't be read", self.receipts.display()))?;
        for ended in without_receipt(&ended, &sums.ended) {
            let charged = ended.balances.iter().cloned();
            let charged = charged.filter_map(|balance| Charged::new(balance, ended.amounts));
            charged.for_each(|charged| add(&mut sums.uses, charged));
        }
        for Taken { balance, used } in self.taken_off() {
            if let Some(sum) = sums.uses.get_mut(&balance) {
                *sum = sum.saturating_sub(used);
            }
        }
        sums.uses.retain(|_, used| *used > 0);
        let counts = |balance: &BalanceKey| {
            let is_flow = !matches!(balance.unit, Unit::InFlight | Unit::Sessions);
            is_flow && balance.resets_at.is_none_or(|end| now < end)
        };
        sums.uses.retain(|balance, _| counts(balance));
        let mut all = BTreeMap::new();
        for carried in self.recovered.export(now).balances {
            if counts(&carried.balance) && carried.used > 0 {
                all.insert(
                    order(&carried.balance),
                    (carried.balance, (0, carried.used)),
                );
            }
        }
        for (balance, used) in &sums.uses {
            let entry = all.entry(order(balance));
            entry.or_insert((balance.clone(), (0, 0))).1.0 = *used;
        }
        let compared = |(balance, (in_receipts, in_journal))| Compared {
            balance,
            in_receipts,
            in_journal,
        };
        let damage = self.recovered.damage.iter();
        let comparison = Comparison {
            balances: all.into_values().map(compared).collect(),
            receipts: sums.receipts,
            without_charges: sums.without_charges,
            damage: damage.map(ToString::to_string).collect(),
            open: orphans.len(),
            kept: None,
        };
        Ok((comparison, sums.uses))
    }

    /// Returns what operators took off. A reset that the journal does not know either is made at the next start.
    fn taken_off(&self) -> Vec<Taken> {
        let journaled = &self.recovered.export(now()).resets;
        let taken = |reset: &Reset| match &reset.taken {
            Some(taken) => taken.clone(),
            None => journaled.taken(&reset.name).unwrap_or_default().to_vec(),
        };
        self.resets.iter().flat_map(taken).collect()
    }

    /// Copies the files of the journal to a folder beside it.
    fn set_aside(&self) -> anyhow::Result<PathBuf> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!("-before-{}", now().0));
        let kept = self.path.with_file_name(name);
        copy(&self.path, &kept).with_context(|| format!("{} can't be written", kept.display()))?;
        Ok(kept)
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Returns the order of balances: by account, window, unit and end.
fn order(balance: &BalanceKey) -> (Arc<str>, String, Unit, Option<UnixMillis>) {
    let account = Arc::clone(&balance.account);
    let window = balance.window.to_string();
    (account, window, balance.unit, balance.resets_at)
}

fn add(uses: &mut Uses, charged: Charged) {
    let sum = uses.entry(charged.balance).or_default();
    *sum = sum.saturating_add(charged.used.into());
}

// === impl Sums ===

impl Sums {
    /// Adds up all receipts but those of exchanges and batches that are open by the journal.
    fn read(file: &Path, open: &HashSet<&str>, ended: &HashSet<Arc<str>>) -> std::io::Result<Self> {
        let mut sums = Self::default();
        for line in Lines::open(file, None)? {
            // A line that was cut short by a crash is no receipt.
            let Ok(receipt) = serde_json::from_slice::<Value>(&line?) else {
                continue;
            };
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
            let id = text(receipt.get("id")).unwrap_or_default();
            let batch = settled_batch(&receipt);
            if open.contains(&*id) || batch.is_some_and(|batch| open.contains(batch)) {
                continue;
            }
            sums.take(&receipt);
            if let Some(id) = ended.get(&*id).or_else(|| ended.get(batch?)) {
                sums.ended.insert(Arc::clone(id), Value::Null);
            }
        }
        Ok(sums)
    }

    fn take(&mut self, receipt: &Value) {
        self.receipts += 1;
        let charges = receipt.get("charges").and_then(Value::as_object);
        let (mut named, mut is_complete) = (false, true);
        for text in charges.into_iter().flatten().map(|(_, text)| text) {
            match text.as_str().and_then(Charged::read) {
                Some(charged) => add(&mut self.uses, charged),
                None => is_complete = false,
            }
            named = true;
        }
        let left_out = receipt.get("left_out");
        is_complete &= left_out.is_none_or(|left_out| left_out.get("charges").is_none());
        let cost = receipt.get("cost_picousd").and_then(Value::as_u64);
        let is_free = cost.is_none_or(|cost| cost == 0);
        self.without_charges += u64::from(!is_complete || !named && !is_free);
    }
}
