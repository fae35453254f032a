//! Whose a file, a batch, a container or a skill is. Tenants share the upstream's credential, so the upstream can't tell.
//!
//! What is created is claimed before the client gets its id, and the claim is durable when it returns. What nobody claimed
//! belongs to nobody: it is there for no tenant. Without a state directory the claims are kept in memory, at most
//! [`IN_MEMORY`] of them, and end with the process.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{OptionalExtension, params};
use witgate_messages::endpoint::Endpoint;

use crate::store::{Migration, State, StateError};
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

/// Most claims that are kept without a state directory; the oldest go first.
const IN_MEMORY: usize = 100_000;

/// Ids that are looked up at once: a look-up takes a few milliseconds, and then others have their turn.
const AT_ONCE: usize = 1_000;

/// What can be owned.
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

/// The claims.
pub(crate) struct Owners {
    book: Book,
}

/// Why a claim could not be made or looked up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Somebody else has it: the upstream gave one id twice.
    #[error("the {kind} {id} belongs to another tenant already: the upstream gave its id twice", kind = kind.code())]
    Taken {
        /// What it is.
        kind: Kind,
        /// Its id.
        id: String,
    },
    /// The state can't be had.
    #[error(transparent)]
    State(#[from] StateError),
}

enum Book {
    State(State),
    Memory(Mutex<Memory>),
}

#[derive(Default)]
struct Memory {
    owners: HashMap<(Kind, String), String>,
    oldest: VecDeque<(Kind, String)>,
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

    /// Its name in the state and in messages.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Batch => "batch",
            Self::Container => "container",
            Self::Skill => "skill",
        }
    }
}

// === impl Caller ===

impl Caller {
    /// Whom the things belong to that this caller makes: its tenant, or the key itself where it has none.
    pub(crate) fn owner(&self) -> String {
        match &self.tenant {
            Some(tenant) => tenant.to_string(),
            None => format!("key:{}", self.id),
        }
    }
}

// === impl Owners ===

impl Owners {
    /// Claims in the state, or in memory without one.
    pub(crate) fn new(state: Option<State>) -> Self {
        let book = match state {
            Some(state) => Book::State(state),
            None => Book::Memory(Mutex::default()),
        };
        Self { book }
    }

    /// Makes `id` the property of `owner`. Claiming what is one's own already changes nothing.
    ///
    /// # Errors
    ///
    /// Somebody else has it, or the state can't be written.
    pub(crate) async fn claim(&self, kind: Kind, id: &str, owner: &str) -> Result<(), ClaimError> {
        let holder = match &self.book {
            Book::Memory(memory) => lock(memory).claim(kind, id, owner),
            Book::State(state) => {
                let (id, owner) = (id.to_owned(), owner.to_owned());
                state.call(move |db| claim(db, kind, &id, &owner)).await?
            }
        };
        if holder == owner {
            Ok(())
        } else {
            Err(ClaimError::Taken {
                kind,
                id: id.to_owned(),
            })
        }
    }

    /// Whether `id` is `owner`'s.
    ///
    /// # Errors
    ///
    /// The state can't be read.
    pub(crate) async fn owns(&self, kind: Kind, id: &str, owner: &str) -> Result<bool, StateError> {
        let asked = vec![id.to_owned()];
        let owned = self.owned(kind, asked, owner).await?;
        Ok(!owned.is_empty())
    }

    /// Those of `ids` that are `owner`'s, in their order.
    ///
    /// # Errors
    ///
    /// The state can't be read.
    pub(crate) async fn owned(
        &self,
        kind: Kind,
        mut ids: Vec<String>,
        owner: &str,
    ) -> Result<Vec<String>, StateError> {
        match &self.book {
            Book::Memory(memory) => {
                let memory = lock(memory);
                ids.retain(|id| memory.is_of(kind, id, owner));
            }
            Book::State(state) => {
                let mut owned = HashSet::new();
                for some in ids.chunks(AT_ONCE) {
                    owned.extend(owned_of(state, kind, some, owner).await?);
                }
                ids.retain(|id| owned.contains(id));
            }
        }
        Ok(ids)
    }

    /// The first of `ids` that is not `owner`'s; none where all are. Each id may be there once.
    ///
    /// # Errors
    ///
    /// The state can't be read.
    pub(crate) async fn foreign(
        &self,
        kind: Kind,
        ids: &[String],
        owner: &str,
    ) -> Result<Option<String>, StateError> {
        let state = match &self.book {
            Book::Memory(memory) => {
                let memory = lock(memory);
                let foreign = ids.iter().find(|id| !memory.is_of(kind, id, owner));
                return Ok(foreign.cloned());
            }
            Book::State(state) => state,
        };
        for some in ids.chunks(AT_ONCE) {
            let owned = owned_of(state, kind, some, owner).await?;
            if owned.len() < some.len() {
                let owned: HashSet<_> = owned.into_iter().collect();
                return Ok(some.iter().find(|id| !owned.contains(*id)).cloned());
            }
        }
        Ok(None)
    }

    /// How many things of a kind are `owner`'s.
    ///
    /// # Errors
    ///
    /// The state can't be read.
    pub(crate) async fn count(&self, kind: Kind, owner: &str) -> Result<usize, StateError> {
        match &self.book {
            Book::Memory(memory) => Ok(lock(memory).count(kind, owner)),
            Book::State(state) => {
                let owner = owner.to_owned();
                state
                    .read(move |db| {
                        db.query_row(
                            "SELECT count(*) FROM owners WHERE owner = ?1 AND kind = ?2",
                            params![owner, kind.code()],
                            |row| row.get(0),
                        )
                    })
                    .await
            }
        }
    }

    /// Forgets what was deleted at the upstream.
    ///
    /// # Errors
    ///
    /// The state can't be written.
    pub(crate) async fn forget(&self, kind: Kind, id: &str) -> Result<(), StateError> {
        match &self.book {
            Book::Memory(memory) => {
                lock(memory).forget(kind, id);
                Ok(())
            }
            Book::State(state) => {
                let id = id.to_owned();
                state
                    .call(move |db| {
                        db.execute(
                            "DELETE FROM owners WHERE kind = ?1 AND id = ?2",
                            params![kind.code(), id],
                        )
                    })
                    .await
                    .map(drop)
            }
        }
    }
}

/// Those of a few ids that are `owner`'s, in any order: one question of a connection that others don't wait for.
async fn owned_of(
    state: &State,
    kind: Kind,
    ids: &[String],
    owner: &str,
) -> Result<Vec<String>, StateError> {
    // Each id is found by the table's key, however many things the owner has.
    const OWNED: &str = "SELECT owners.id FROM json_each(?1) AS named \
                         CROSS JOIN owners ON owners.kind = ?2 AND owners.id = named.value \
                         WHERE owners.owner = ?3";
    let named = serde_json::Value::from(ids).to_string();
    let owner = owner.to_owned();
    state
        .read(move |db| {
            let mut select = db.prepare_cached(OWNED)?;
            select
                .query_map(params![named, kind.code(), owner], |row| row.get(0))?
                .collect()
        })
        .await
}

/// Claims in the database; gives whose it is then.
fn claim(
    db: &mut rusqlite::Connection,
    kind: Kind,
    id: &str,
    owner: &str,
) -> rusqlite::Result<String> {
    // What is there already is the usual case for containers, and a read waits for no other process and no disk.
    let mut select = db.prepare_cached("SELECT owner FROM owners WHERE kind = ?1 AND id = ?2")?;
    let holder = |select: &mut rusqlite::CachedStatement<'_>| {
        select
            .query_row(params![kind.code(), id], |row| row.get(0))
            .optional()
    };
    if let Some(holder) = holder(&mut select)? {
        return Ok(holder);
    }
    db.execute(
        "INSERT INTO owners VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![kind.code(), id, owner, now_unix_ms()],
    )?;
    // Another process may have been quicker.
    Ok(holder(&mut select)?.unwrap_or_default())
}

fn now_unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Held for a look-up, never across an await.
fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock()
}

// === impl Memory ===

impl Memory {
    fn claim(&mut self, kind: Kind, id: &str, owner: &str) -> String {
        let key = (kind, id.to_owned());
        if let Some(holder) = self.owners.get(&key) {
            return holder.clone();
        }
        if self.oldest.len() >= IN_MEMORY
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.owners.remove(&oldest);
        }
        self.oldest.push_back(key.clone());
        self.owners.insert(key, owner.to_owned());
        owner.to_owned()
    }

    fn is_of(&self, kind: Kind, id: &str, owner: &str) -> bool {
        let key = (kind, id.to_owned());
        self.owners.get(&key).is_some_and(|holder| holder == owner)
    }

    fn count(&self, kind: Kind, owner: &str) -> usize {
        let mine = |((of, _), holder): (&(Kind, String), &String)| *of == kind && holder == owner;
        self.owners.iter().filter(|entry| mine(*entry)).count()
    }

    fn forget(&mut self, kind: Kind, id: &str) {
        let key = (kind, id.to_owned());
        if self.owners.remove(&key).is_some() {
            self.oldest.retain(|kept| *kept != key);
        }
    }
}

#[cfg(test)]
mod tests;
