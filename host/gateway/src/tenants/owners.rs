//! The owners of files, batches, containers and skills. Tenants share the upstream's credential, so the upstream cannot tell
//! them apart.
//!
//! A resource is claimed before its id reaches the client, and the claim is as durable as the store when it returns. A
//! resource without a claim exists for no tenant. A store in memory keeps the newest [`MAX_IN_MEMORY`] claims.

use std::collections::HashSet;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use witgate_messages::endpoint::Endpoint;

use crate::clock::now;
use crate::store::{Durability, Migration, Store, StoreError};
use crate::tenants::keys::Caller;

/// Creates the table of the claims.
pub(crate) const MIGRATION: Migration = "
    CREATE TABLE owners (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        since_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX owners_of_owner ON owners (owner, kind);
";

/// Largest number of claims in a store in memory. The oldest are evicted first.
const MAX_IN_MEMORY: usize = 100_000;

/// Number of ids in one query, which takes a few milliseconds. Other calls run between two of them.
const IDS_PER_QUERY: usize = 1_000;

/// A kind of resource that tenants own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// An uploaded file, or one that a tool made.
    File,
    /// A message batch.
    Batch,
    /// A container of the code execution tool.
    Container,
    /// A skill of a tenant's own, with its versions.
    Skill,
}

/// The claims of all tenants.
pub(crate) struct Owners {
    store: Store,
}

/// A claim that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// The id is another tenant's.
    #[error("the {kind} {id} already belongs to another tenant: the upstream issued its id twice", kind = kind.code())]
    Taken {
        /// The kind of resource.
        kind: Kind,
        /// The id.
        id: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

// === impl Kind ===

impl Kind {
    /// Returns the kind of resource an endpoint serves, or `None` if its resources have no owner.
    pub(crate) fn of(endpoint: Endpoint) -> Option<Self> {
        match endpoint {
            Endpoint::Batches
            | Endpoint::Batch
            | Endpoint::BatchCancel
            | Endpoint::BatchResults => Some(Self::Batch),
            Endpoint::Files | Endpoint::File | Endpoint::FileContent => Some(Self::File),
            Endpoint::Skills
            | Endpoint::Skill
            | Endpoint::SkillVersions
            | Endpoint::SkillVersion
            | Endpoint::SkillContent => Some(Self::Skill),
            _ => None,
        }
    }

    /// Returns the name in the store and in messages.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Batch => "batch",
            Self::Container => "container",
            Self::Skill => "skill",
        }
    }

    /// Returns the name of several resources in messages.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::File => "files",
            Self::Batch => "batches",
            Self::Container => "containers",
            Self::Skill => "skills",
        }
    }
}

// === impl Caller ===

impl Caller {
    /// Returns the owner of what this caller creates: its tenant, or the key itself if it has none.
    pub(crate) fn owner(&self) -> String {
        match &self.tenant {
            Some(tenant) => tenant.to_string(),
            None => format!("key:{}", self.id),
        }
    }
}

// === impl Owners ===

impl Owners {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Claims `id` for `owner`, who may have claimed it before.
    ///
    /// # Errors
    ///
    /// Another tenant has claimed it, or the store can't be written.
    pub(crate) async fn claim(&self, kind: Kind, id: &str, owner: &str) -> Result<(), ClaimError> {
        let limit = match self.store.durability() {
            Durability::Disk => None,
            Durability::Process => Some(MAX_IN_MEMORY),
        };
        let (claimed, claimant) = (id.to_owned(), owner.to_owned());
        let claim = move |db: &mut Connection| claim(db, kind, &claimed, &claimant, limit);
        if self.store.call(claim).await? == owner {
            Ok(())
        } else {
            Err(ClaimError::Taken {
                kind,
                id: id.to_owned(),
            })
        }
    }

    /// Returns whether `owner` owns `id`.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn owns(&self, kind: Kind, id: &str, owner: &str) -> Result<bool, StoreError> {
        let asked = vec![id.to_owned()];
        let owned = self.owned(kind, asked, owner).await?;
        Ok(!owned.is_empty())
    }

    /// Returns those of `ids` that `owner` owns, in the same order.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn owned(
        &self,
        kind: Kind,
        mut ids: Vec<String>,
        owner: &str,
    ) -> Result<Vec<String>, StoreError> {
        let mut owned = HashSet::new();
        for some in ids.chunks(IDS_PER_QUERY) {
            owned.extend(self.owned_of(kind, some, owner).await?);
        }
        ids.retain(|id| owned.contains(id));
        Ok(ids)
    }

    /// Returns the first of `ids` that `owner` does not own, or `None` if it owns all of them. No id may occur twice.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn foreign(
        &self,
        kind: Kind,
        ids: &[String],
        owner: &str,
    ) -> Result<Option<String>, StoreError> {
        for some in ids.chunks(IDS_PER_QUERY) {
            let owned = self.owned_of(kind, some, owner).await?;
            if owned.len() < some.len() {
                let owned: HashSet<_> = owned.into_iter().collect();
                return Ok(some.iter().find(|id| !owned.contains(*id)).cloned());
            }
        }
        Ok(None)
    }

    /// Returns the number of resources of a kind that `owner` owns.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn count(&self, kind: Kind, owner: &str) -> Result<usize, StoreError> {
        let owner = owner.to_owned();
        let count = move |db: &Connection| {
            db.query_row(
                "SELECT count(*) FROM owners WHERE owner = ?1 AND kind = ?2",
                params![owner, kind.code()],
                |row| row.get(0),
            )
        };
        self.store.read(count).await
    }

    /// Forgets a resource that was deleted at the upstream.
    ///
    /// # Errors
    ///
    /// The store can't be written.
    pub(crate) async fn forget(&self, kind: Kind, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        let forget = move |db: &mut Connection| {
            db.execute(
                "DELETE FROM owners WHERE kind = ?1 AND id = ?2",
                params![kind.code(), id],
            )
        };
        self.store.call(forget).await.map(drop)
    }

    /// Returns those of a few ids that `owner` owns, in any order.
    async fn owned_of(
        &self,
        kind: Kind,
        ids: &[String],
        owner: &str,
    ) -> Result<Vec<String>, StoreError> {
        // Each id is found by the table's key, however many resources the owner has.
        const OWNED: &str = "SELECT owners.id FROM json_each(?1) AS named \
                             CROSS JOIN owners ON owners.kind = ?2 AND owners.id = named.value \
                             WHERE owners.owner = ?3";
        let named = serde_json::Value::from(ids).to_string();
        let owner = owner.to_owned();
        let select = move |db: &Connection| {
            db.prepare_cached(OWNED)?
                .query_map(params![named, kind.code(), owner], |row| row.get(0))?
                .collect()
        };
        self.store.read(select).await
    }
}

/// Claims an id, and returns its owner afterwards. Above `limit` the oldest claims are evicted.
fn claim(
    db: &Connection,
    kind: Kind,
    id: &str,
    owner: &str,
    limit: Option<usize>,
) -> rusqlite::Result<String> {
    // Containers are claimed again by each response that uses them, and a read waits for no other process and no disk.
    let mut select = db.prepare_cached("SELECT owner FROM owners WHERE kind = ?1 AND id = ?2")?;
    let holder = |select: &mut CachedStatement<'_>| {
        select
            .query_row(params![kind.code(), id], |row| row.get(0))
            .optional()
    };
    if let Some(holder) = holder(&mut select)? {
        return Ok(holder);
    }
    let since = i64::try_from(now().0).unwrap_or(i64::MAX);
    db.execute(
        "INSERT INTO owners VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![kind.code(), id, owner, since],
    )?;
    if let Some(limit) = limit {
        evict(db, limit)?;
    }
    // Another process may have claimed it first.
    Ok(holder(&mut select)?.unwrap_or_default())
}

/// Evicts the oldest claims above `limit`, and a percent more, so that they are not sorted for every claim.
fn evict(db: &Connection, limit: usize) -> rusqlite::Result<()> {
    const OLDEST: &str = "DELETE FROM owners WHERE (kind, id) IN \
                          (SELECT kind, id FROM owners ORDER BY since_unix_ms LIMIT ?1)";
    let count: usize = db.query_row("SELECT count(*) FROM owners", [], |row| row.get(0))?;
    match count.checked_sub(limit) {
        None | Some(0) => Ok(()),
        Some(over) => db.execute(OLDEST, [over + limit / 100]).map(drop),
    }
}

#[cfg(test)]
mod tests;
