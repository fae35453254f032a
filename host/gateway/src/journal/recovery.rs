//! Opening the journal: at a start, with what an earlier process left, and after a hand-over, with what the old process gave.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use witgate_journal::{
    Directory, Draining, Log, OnDamage, RecoverError, Recovered, draining, last_epoch,
    recover as read,
};

use super::orphans::{Ending, settle};
use super::predecessors::batches_of_others;
use super::{Kept, Patience, options};
use crate::clock::now;
use crate::config::{OnJournalDamage, State};
use crate::gateway::Gateway;
use crate::listen::stopped;

/// Time for which a start waits for a process that is about to end.
const START_PATIENCE: Duration = Duration::from_secs(5);

/// Time for which a process that has taken over waits for the old one to let go of the journal.
const TAKEOVER_PATIENCE: Duration = Duration::from_secs(10);

/// Time between two attempts to open a journal that could not be opened after a hand-over.
const RETRY: Duration = Duration::from_secs(1);

/// The state of the journal at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The journal is open, or there is none to open.
    Open,
    /// Another process keeps it, which has to hand over.
    InUse,
}

/// Reads the journal back into the empty ledger, settles what an earlier process did not live to settle, and goes on with it.
/// Does not wait for another process if `patience` says so.
///
/// # Errors
///
/// The journal can't be read or written, it is damaged, or the ledger has no room for it.
pub(crate) async fn recover(gateway: &Arc<Gateway>, patience: Patience) -> anyhow::Result<Found> {
    let Some(kept) = &gateway.journal.kept else {
        return Ok(Found::Open);
    };
    let (state, path) = (kept.state.clone(), kept.state.journal());
    let opened = spawn_blocking(move || open(&state, patience)).await??;
    let Some((directory, mut recovered)) = opened else {
        return Ok(Found::InUse);
    };
    report(&recovered);
    let settled = batches_of_others(&path, recovered.epoch()).with_context(|| {
        format!(
            "the journals beside that in {} can't be read",
            path.display()
        )
    })?;
    let endings = settle(&mut recovered, &settled, gateway).await?;
    let sharing = Arc::clone(gateway);
    spawn_blocking(move || {
        let gateway = sharing;
        let export = recovered.export(now());
        let rejected = gateway.ledger.inherit(&export, now());
        anyhow::ensure!(
            rejected == 0,
            "the ledger has no room for {rejected} balances of its journal: raise `ledger.accounts`"
        );
        // Before the journal goes on: if this process is killed in between, the next one finds them.
        endings
            .iter()
            .for_each(|ending: &Ending| gateway.submit(ending.receipt()));
        gateway.audit.flush();
        begin(&gateway, directory, recovered.epoch())
    })
    .await??;
    Ok(Found::Open)
}

/// Locks the journal and reads it back. Returns `None` if another process keeps it, and is to hand over.
fn open(state: &State, patience: Patience) -> anyhow::Result<Option<(Directory, Recovered)>> {
    let path = state.journal();
    let wait = match patience {
        Patience::Wait => START_PATIENCE,
        Patience::None => Duration::ZERO,
    };
    let locked = Directory::lock(&path, wait)
        .with_context(|| format!("the ledger's journal in {} can't be opened", path.display()))?;
    let Some(directory) = locked else {
        anyhow::ensure!(
            patience == Patience::None,
            "another process keeps the ledger's journal in {}: stop it, or take over from it with --upgrade; two \
             gateways can't share one state directory",
            path.display()
        );
        return Ok(None);
    };
    let on_damage = match state.on_journal_damage {
        OnJournalDamage::Refuse => OnDamage::Refuse,
        OnJournalDamage::Serve => OnDamage::Accept,
    };
    let mut recovered = read(&directory, on_damage).map_err(|error| {
        let path = path.display();
        match error {
            RecoverError::Damaged(damage) => anyhow::anyhow!(
                "the ledger's journal in {path} is damaged: {damage}; run `witgate ledger rebuild` to make it again \
                 from what can be read and from receipts, restore the directory from a backup, or set \
                 `on_journal_damage = \"serve\"` in [state] to start with what can be read, which forgets some spending"
            ),
            error @ RecoverError::Unreadable { .. } => {
                anyhow::anyhow!("the ledger's journal in {path} can't be read: {error}")
            }
        }
    })?;
    end_of_predecessor(&path, &mut recovered)
        .with_context(|| format!("the marks in {} can't be read", path.display()))?;
    Ok(Some((directory, recovered)))
}

/// Looks whether what was read back is of a process that was about to hand over. One that lives keeps its holds. That of a dead one
/// is a journal like any other: nobody has taken over, or that process did not live to begin a journal.
fn end_of_predecessor(path: &Path, recovered: &mut Recovered) -> std::io::Result<()> {
    for found in draining(path)? {
        match found {
            Draining::Alive(epoch) if epoch == recovered.epoch() => recovered.leave_holds(),
            Draining::Dead(mark) if mark.epoch() == recovered.epoch() => mark.remove()?,
            Draining::Alive(_) | Draining::Dead(_) => {}
        }
    }
    Ok(())
}

fn report(recovered: &Recovered) {
    if let Some(cut) = &recovered.cut {
        tracing::warn!(
            file = cut.file,
            bytes = cut.bytes,
            "the end of the ledger's journal was cut short by a crash; it is left out"
        );
    }
    for damage in &recovered.damage {
        tracing::error!(%damage, "the ledger's journal is damaged, and some spending is forgotten (`state.on_journal_damage`)");
    }
}

/// Goes on with the journal in an epoch of its own.
fn begin(gateway: &Gateway, directory: Directory, epoch: u64) -> anyhow::Result<()> {
    let Some(kept) = &gateway.journal.kept else {
        return Ok(());
    };
    let log = Log::begin(
        &gateway.ledger,
        Box::new(directory),
        epoch,
        options(&kept.state),
    )
    .with_context(|| {
        let path = kept.state.journal();
        format!(
            "the ledger's journal in {} can't be written",
            path.display()
        )
    })?;
    // Nothing else opens it.
    let _ = kept.log.set(log);
    Ok(())
}

/// Opens the journal of a process that has just taken over the ledger of the one that kept it. Tries on in the background,
/// until `stop`, if that fails: the old process has stopped serving.
pub(crate) async fn begin_after_takeover(gateway: &Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    if !gateway.journal.is_kept() || try_begin(gateway).await {
        return;
    }
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = sleep(RETRY) => {}
            }
            if try_begin(&gateway).await {
                tracing::info!("the ledger's journal is open");
                // The old process may have died meanwhile.
                let _ = spawn_blocking(move || gateway.journal.end_predecessors(&gateway)).await;
                return;
            }
        }
    });
}

async fn try_begin(gateway: &Arc<Gateway>) -> bool {
    let sharing = Arc::clone(gateway);
    let begun = spawn_blocking(move || match &sharing.journal.kept {
        Some(kept) => kept.follow(&sharing),
        None => Ok(()),
    });
    let failed = match begun.await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => format!("{error:#}"),
        Err(error) => error.to_string(),
    };
    tracing::error!(
        error = failed,
        "the ledger's journal can't be opened after the hand-over; it is tried again"
    );
    if let Some(kept) = &gateway.journal.kept {
        kept.note(&failed);
    }
    false
}

// === impl Kept ===

impl Kept {
    /// Goes on with the journal of a process that lets go of it.
    fn follow(&self, gateway: &Gateway) -> anyhow::Result<()> {
        let path = self.state.journal();
        let directory = Directory::lock(&path, TAKEOVER_PATIENCE)
            .with_context(|| format!("the ledger's journal in {} can't be opened", path.display()))?
            .with_context(|| {
                format!(
                    "the old process keeps the ledger's journal in {}",
                    path.display()
                )
            })?;
        let epoch = last_epoch(&directory).context("the ledger's journal can't be read")?;
        begin(gateway, directory, epoch)
    }
}
