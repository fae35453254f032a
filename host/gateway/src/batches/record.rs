//! A batch in the store.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use witgate_ledger::{Amounts, Charge, Hold, Ledger, OnShortfall, Unit, UnixMillis};
use witgate_runtime::Envelope;

use super::{LIFE, MARGIN};
use crate::clock::WholeUnits as _;
use crate::store::Migration;
use crate::tenants::keys::Caller;
use crate::tenants::provenance::Provenance;

/// Creates the table of the batches. `settled` turns from 0 to 1 once, and the amounts with it.
pub(crate) const MIGRATION: Migration = "
    CREATE TABLE batches (
        id TEXT NOT NULL PRIMARY KEY,
        upstream TEXT NOT NULL,
        created_unix_ms INTEGER NOT NULL,
        facts TEXT NOT NULL,
        settled INTEGER NOT NULL DEFAULT 0,
        picousd INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX batches_open ON batches (settled) WHERE settled = 0;
";

/// Adds the kinds of tokens to the amounts of the batches.
pub(crate) const KINDS_OF_TOKENS: Migration = "
    ALTER TABLE batches ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE batches ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE batches ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
";

/// Units that a batch is charged in. The exchange that creates it is charged in requests and requests in flight.
pub(crate) const UNITS: [Unit; 5] = [
    Unit::PicoUsd,
    Unit::Tokens,
    Unit::InputTokens,
    Unit::OutputTokens,
    Unit::CachedTokens,
];

/// A batch, and the upstream that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: Arc<str>,
    pub(crate) upstream: String,
    pub(crate) created: UnixMillis,
    pub(crate) facts: Facts,
}

/// The facts that a settlement needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Number of requests in the batch.
    pub(crate) requests: u64,
    /// The `anthropic-*` headers of the creation, which polls repeat.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) maker: Maker,
    charges: Vec<Charge>,
}

/// The creator of a batch, as on its receipts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Maker {
    key: String,
    key_tenant: Option<String>,
    key_user: Option<String>,
    tier: Option<String>,
    labels: Vec<(String, String)>,
    correlation_id: Option<String>,
    resource: Option<String>,
    tenant: Option<String>,
    user: Option<String>,
    session: Option<String>,
    agent: Option<String>,
    metadata: Vec<(String, String)>,
    workspace: Option<String>,
    environment: Option<String>,
}

// === impl Record ===

impl Record {
    /// Returns whether it is too late to settle the batch.
    pub(crate) fn is_over(&self, now: UnixMillis) -> bool {
        now.0.saturating_sub(self.created.0) > (LIFE + MARGIN).whole_millis()
    }

    /// Reserves the charges again after a restart, over a limit if need be, because the batch is running. Charges whose window
    /// has ended are left out.
    pub(super) fn hold_again(&self, ledger: &Arc<Ledger>, now: UnixMillis) -> Option<Hold> {
        let charges: Vec<Charge> = self
            .facts
            .charges
            .iter()
            .filter(|charge| {
                let end = charge.window.resets_at(self.created);
                end.is_none_or(|end| end > now)
            })
            .map(|charge| Charge {
                shortfall: OnShortfall::Overdraw,
                ..charge.clone()
            })
            .collect();
        if charges.is_empty() {
            return None;
        }
        ledger
            .reserve_as(&self.id, charges, &self.facts.maker.caller().owner(), now)
            .inspect_err(|refused| {
                tracing::error!(batch = %self.id, reason = %refused.reason, "an open batch can't be held again; it is settled without a hold");
            })
            .ok()
    }
}

// === impl Facts ===

impl Facts {
    /// Returns the facts about a batch with this hold.
    pub(crate) fn of(
        requests: usize,
        maker: Maker,
        headers: Vec<(String, String)>,
        hold: Option<&Hold>,
    ) -> Self {
        Self {
            requests: u64::try_from(requests).unwrap_or(u64::MAX),
            headers,
            maker,
            charges: hold.map(Hold::charges).unwrap_or_default().to_vec(),
        }
    }
}

// === impl Maker ===

impl Maker {
    /// Returns the creator of a batch.
    pub(crate) fn of(caller: &Caller, envelope: &Envelope, provenance: &Provenance) -> Self {
        Self {
            key: caller.id.to_string(),
            key_tenant: caller.tenant.as_deref().map(Into::into),
            key_user: caller.user.as_deref().map(Into::into),
            tier: caller.tier.as_deref().map(Into::into),
            labels: caller.labels.clone(),
            correlation_id: envelope.correlation_id.clone(),
            resource: envelope.resource.clone(),
            tenant: envelope.tenant.clone(),
            user: envelope.user.clone(),
            session: envelope.session.clone(),
            agent: envelope.agent.clone(),
            metadata: envelope.metadata.clone(),
            workspace: provenance.workspace.clone(),
            environment: provenance.environment.clone(),
        }
    }

    /// Returns the caller for a receipt.
    pub(super) fn caller(&self) -> Caller {
        Caller {
            id: self.key.as_str().into(),
            tenant: self.key_tenant.as_deref().map(Into::into),
            user: self.key_user.as_deref().map(Into::into),
            tier: self.tier.as_deref().map(Into::into),
            labels: self.labels.clone(),
            ..Caller::default()
        }
    }

    /// Returns the provenance for a receipt. A settlement has no client.
    pub(super) fn provenance(&self) -> Provenance {
        Provenance {
            client: None,
            workspace: self.workspace.clone(),
            environment: self.environment.clone(),
        }
    }

    /// Returns the envelope for a receipt.
    pub(super) fn envelope(&self) -> Envelope {
        Envelope {
            correlation_id: self.correlation_id.clone(),
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            session: self.session.clone(),
            agent: self.agent.clone(),
            metadata: self.metadata.clone(),
            ..Envelope::default()
        }
    }
}

pub(super) fn insert(db: &Connection, record: &Record) -> rusqlite::Result<()> {
    let facts = serde_json::to_string(&record.facts)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.execute(
        "INSERT INTO batches (id, upstream, created_unix_ms, facts) VALUES (?1, ?2, ?3, ?4)",
        params![&*record.id, record.upstream, int(record.created.0), facts],
    )
    .map(drop)
}

/// Returns all open batches.
pub(super) fn open(db: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut select = db.prepare_cached(
        "SELECT id, upstream, created_unix_ms, facts FROM batches WHERE settled = 0",
    )?;
    let rows = select.query_map([], |row| {
        let (id, facts): (String, String) = (row.get(0)?, row.get(3)?);
        let facts = serde_json::from_str(&facts).unwrap_or_else(|error| {
            tracing::error!(batch = %id, %error, "the facts of a batch in the state database can't be read; its receipt will not name its owner");
            Facts::default()
        });
        Ok(Record {
            id: id.into(),
            upstream: row.get(1)?,
            created: UnixMillis(natural(row.get(2)?)),
            facts,
        })
    })?;
    rows.collect()
}

pub(super) fn upstream(db: &Connection, id: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT upstream FROM batches WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Returns the amounts that a batch was settled with, or `None` if it is open.
pub(super) fn settled(db: &Connection, id: &str) -> rusqlite::Result<Option<Amounts>> {
    db.prepare_cached(
        "SELECT picousd, tokens, input_tokens, output_tokens, cached_tokens FROM batches WHERE id = ?1 AND settled = 1",
    )?
    .query_row([id], |row| {
        Ok(Amounts {
            picousd: natural(row.get(0)?),
            tokens: natural(row.get(1)?),
            input_tokens: natural(row.get(2)?),
            output_tokens: natural(row.get(3)?),
            cached_tokens: natural(row.get(4)?),
            requests: 0,
        })
    })
    .optional()
}

/// Settles a batch. Returns `None`, or the amounts of an earlier settlement.
pub(super) fn settle(
    db: &Connection,
    id: &str,
    amounts: Amounts,
) -> rusqlite::Result<Option<Amounts>> {
    let changed = db.execute(
        "UPDATE batches SET settled = 1, picousd = ?2, tokens = ?3, input_tokens = ?4, output_tokens = ?5, cached_tokens = ?6 WHERE id = ?1 AND settled = 0",
        params![
            id,
            int(amounts.picousd),
            int(amounts.tokens),
            int(amounts.input_tokens),
            int(amounts.output_tokens),
            int(amounts.cached_tokens)
        ],
    )?;
    if changed == 1 {
        return Ok(None);
    }
    Ok(Some(settled(db, id)?.unwrap_or_default()))
}

/// Forgets settled batches that were created before a time.
pub(super) fn forget(db: &Connection, before: u64) -> rusqlite::Result<()> {
    db.execute(
        "DELETE FROM batches WHERE settled = 1 AND created_unix_ms < ?1",
        [int(before)],
    )
    .map(drop)
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn natural(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
