//! A batch as the state keeps it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use witgate_ledger::{Amounts, Charge, Hold, Ledger, OnShortfall, Unit, UnixMillis, Window};
use witgate_runtime::Envelope;

use super::{LIFE, MARGIN, millis};
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

/// Units that a batch is charged in. Requests and places are of the exchange that creates it.
pub(crate) const UNITS: [Unit; 2] = [Unit::PicoUsd, Unit::Tokens];

/// A batch: where it is, and what is known of it besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: Arc<str>,
    pub(crate) upstream: String,
    pub(crate) created: UnixMillis,
    pub(crate) facts: Facts,
}

/// What settling a batch needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Number of its requests.
    pub(crate) requests: u64,
    /// The `anthropic-*` headers of its creation, which looking at it may need as well.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) maker: Maker,
    charges: Vec<Held>,
}

/// Who made a batch, as its receipts say.
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

/// A charge that is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    account: String,
    window: String,
    unit: String,
    limit: u64,
    amount: u64,
}

// === impl Record ===

impl Record {
    /// When nothing is known of it any more.
    pub(crate) fn is_over(&self, now: UnixMillis) -> bool {
        now.0.saturating_sub(self.created.0) > millis(LIFE + MARGIN)
    }

    /// Reserves its charges anew, over a limit if need be: the batch is under way. Periods that were over before are
    /// over for it too.
    pub(super) fn hold_again(&self, ledger: &Arc<Ledger>, now: UnixMillis) -> Option<Hold> {
        let charges: Vec<Charge> = self
            .facts
            .charges
            .iter()
            .filter_map(Held::charge)
            .filter(|charge| {
                let end = charge.window.resets_at(self.created);
                end.is_none_or(|end| end > now)
            })
            .collect();
        if charges.is_empty() {
            return None;
        }
        ledger
            .reserve(charges, &self.facts.maker.caller().owner(), now)
            .inspect_err(|refused| {
                tracing::error!(batch = %self.id, reason = %refused.reason, "a batch of before can't be held; it is settled all the same");
            })
            .ok()
    }
}

// === impl Facts ===

impl Facts {
    /// What is known of a batch of so many requests, for which this is held.
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
            charges: hold
                .map(Hold::charges)
                .unwrap_or_default()
                .iter()
                .map(Held::of)
                .collect(),
        }
    }
}

// === impl Held ===

impl Held {
    fn of(charge: &Charge) -> Self {
        Self {
            account: charge.account.to_string(),
            window: charge.window.code().to_owned(),
            unit: charge.unit.code().to_owned(),
            limit: charge.limit,
            amount: charge.amount,
        }
    }

    fn charge(&self) -> Option<Charge> {
        Some(Charge {
            account: self.account.as_str().into(),
            window: Window::parse(&self.window).ok()?,
            unit: Unit::parse(&self.unit).ok()?,
            limit: self.limit,
            amount: self.amount,
            shortfall: OnShortfall::Overdraw,
        })
    }
}

// === impl Maker ===

impl Maker {
    /// Whoever asks for it.
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

    /// As the caller of a receipt.
    pub(super) fn caller(&self) -> Caller {
        Caller {
            id: self.key.as_str().into(),
            tenant: self.key_tenant.as_deref().map(Into::into),
            user: self.key_user.as_deref().map(Into::into),
            tier: self.tier.as_deref().map(Into::into),
            labels: self.labels.clone(),
            models: None,
            workspaces: None,
            environments: None,
            share: crate::tenants::concurrency::Share::default(),
        }
    }

    /// As the provenance of a receipt. Whoever settles a batch has no client.
    pub(super) fn provenance(&self) -> Provenance {
        Provenance {
            client: None,
            workspace: self.workspace.clone(),
            environment: self.environment.clone(),
        }
    }

    /// As the envelope of a receipt.
    pub(super) fn envelope(&self) -> Envelope {
        Envelope {
            correlation_id: self.correlation_id.clone(),
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            session: self.session.clone(),
            agent: self.agent.clone(),
            metadata: self.metadata.clone(),
            timeout_ms: None,
            secondary_index: None,
            edits: Vec::new(),
            response_headers: Vec::new(),
            attributes: Vec::new(),
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

/// All that are not settled.
pub(super) fn open(db: &Connection) -> rusqlite::Result<Vec<Record>> {
    let mut select = db.prepare_cached(
        "SELECT id, upstream, created_unix_ms, facts FROM batches WHERE settled = 0",
    )?;
    let rows = select.query_map([], |row| {
        let (id, facts): (String, String) = (row.get(0)?, row.get(3)?);
        let facts = serde_json::from_str(&facts).unwrap_or_else(|error| {
            tracing::error!(batch = %id, %error, "what the state says of a batch can't be read; its receipt will not say whose it is");
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

/// What a batch was settled with, if it was.
pub(super) fn settled(db: &Connection, id: &str) -> rusqlite::Result<Option<Amounts>> {
    db.prepare_cached("SELECT picousd, tokens FROM batches WHERE id = ?1 AND settled = 1")?
        .query_row([id], |row| {
            Ok(Amounts {
                picousd: natural(row.get(0)?),
                tokens: natural(row.get(1)?),
                requests: 0,
            })
        })
        .optional()
}

/// Settles a batch. None when this call did; what it was settled with when another was first.
pub(super) fn settle(
    db: &Connection,
    id: &str,
    amounts: Amounts,
) -> rusqlite::Result<Option<Amounts>> {
    let changed = db.execute(
        "UPDATE batches SET settled = 1, picousd = ?2, tokens = ?3 WHERE id = ?1 AND settled = 0",
        params![id, int(amounts.picousd), int(amounts.tokens)],
    )?;
    if changed == 1 {
        return Ok(None);
    }
    Ok(Some(settled(db, id)?.unwrap_or_default()))
}

/// Forgets what was created before and is settled.
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
