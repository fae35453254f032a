//! `witgate ledger`: the journal of budgets, beside the receipts.

use std::process::ExitCode;

use witgate_gateway::config::Config;
use witgate_gateway::ledger_files::{Compared, Comparison, compare, rebuild};

use crate::config_arg::ConfigArg;
use crate::output::{count_of, exit_code, print};

/// Commands about the ledger of a gateway that does not run.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Compare what budgets have spent with the sum of the receipts, and exit with 1 if it differs.
    Verify(ConfigArg),
    /// Raise each budget to the sum of its receipts, and begin the journal anew with that. Keeps the old files in a folder.
    Rebuild(ConfigArg),
}

/// Runs a command about the ledger.
pub(super) fn ledger(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Verify(config) => verify(config),
        Command::Rebuild(config) => renew(config),
    }
}

fn verify(config: &ConfigArg) -> anyhow::Result<ExitCode> {
    let comparison = compare(&read(config)?)?;
    let different = tell(&comparison, "by the journal");
    let is_intact = comparison.damage.is_empty();
    for damage in &comparison.damage {
        print(&format!("the journal is damaged: {damage}"));
    }
    let balances = count_of(comparison.balances.len(), "balance");
    print(&match different {
        0 => format!("{balances}: what is used is the sum of the receipts"),
        _ => format!(
            "{balances}, {different} of which differ; a use that is larger by the journal may be of receipts that are gone"
        ),
    });
    Ok(exit_code(different == 0 && is_intact))
}

fn renew(config: &ConfigArg) -> anyhow::Result<ExitCode> {
    let comparison = rebuild(&read(config)?)?;
    for damage in &comparison.damage {
        print(&format!("the journal was damaged: {damage}"));
    }
    let different = tell(&comparison, "by the old journal");
    let balances = count_of(comparison.balances.len(), "balance");
    print(&format!(
        "the journal is made again with {balances}, {different} of which differed; each has the larger of the two sums"
    ));
    if let Some(kept) = &comparison.kept {
        print(&format!("the files as they were are in {}", kept.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn read(config: &ConfigArg) -> anyhow::Result<Config> {
    Config::read(&config.config).map_err(|problems| anyhow::anyhow!("{problems}"))
}

/// Prints the balances that differ, and what is known about the receipts. Returns the number of balances.
fn tell(comparison: &Comparison, journal: &str) -> usize {
    let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    print(&format!(
        "{} read; {} open in the journal, which the next start settles",
        count_of(number(comparison.receipts), "receipt"),
        count_of(comparison.open, "hold"),
    ));
    if comparison.without_charges > 0 {
        print(&format!(
            "{} with a cost and no complete `charges`: nothing was charged, an earlier version wrote them, or an audit plugin \
             changed them",
            count_of(number(comparison.without_charges), "receipt")
        ));
    }
    let different: Vec<_> = comparison
        .balances
        .iter()
        .filter(|compared| !compared.is_equal())
        .collect();
    for Compared {
        balance,
        in_receipts,
        in_journal,
    } in &different
    {
        print(&format!(
            "{} {} {}: {in_receipts} by the receipts, {in_journal} {journal}",
            balance.account,
            balance.window,
            balance.unit.code()
        ));
    }
    different.len()
}
