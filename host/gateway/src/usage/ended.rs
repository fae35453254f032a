//! Sessions that an operator or their own caller has ended: their later requests are refused.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rusqlite::Connection;
use witgate_usage::Session;

use crate::answer::refused::Refused;
use crate::clock::now;
use crate::store::{Migration, Store, StoreError};

/// Creates the table of ended sessions.
pub(crate) const MIGRATION: Migration = "
    CREATE TABLE ended_sessions (
        key TEXT NOT NULL,
        session TEXT NOT NULL,
        since_unix_ms INTEGER NOT NULL,
        PRIMARY KEY (key, session)
    ) STRICT, WITHOUT ROWID;
";

/// Time for which an ended session is remembered, in milliseconds.
const REMEMBERED_MS: u64 = 90 * 86_400_000;

/// Sessions by their key and their name.
type Sessions = HashSet<(Arc<str>, Arc<str>)>;

/// The sessions that have been ended by now.
pub(crate) struct Ended(Arc<Sessions>);

/// The ended sessions of all keys.
pub(crate) struct EndedSessions {
    store: Store,
    known: ArcSwap<Sessions>,
}

// === impl EndedSessions ===

impl EndedSessions {
    /// Reads the ended sessions. Blocks.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) fn open(store: Store) -> Result<Self, StoreError> {
        let known = store.call_blocking(|db| {
            let before = now().0.saturating_sub(REMEMBERED_MS);
            db.execute(
                "DELETE FROM ended_sessions WHERE since_unix_ms < ?1",
                [before],
            )?;
            let mut select = db.prepare("SELECT key, session FROM ended_sessions")?;
            let all = select.query_map([], |row| Ok((text(row.get(0)?), text(row.get(1)?))))?;
            all.collect::<rusqlite::Result<Sessions>>()
        })?;
        Ok(Self {
            store,
            known: ArcSwap::from_pointee(known),
        })
    }

    /// Ends a session: its next request is refused. The requests that run go on.
    ///
    /// # Errors
    ///
    /// The store can't be written.
    pub(crate) async fn end(&self, key: &str, session: &str) -> Result<(), StoreError> {
        let (key, session): (Arc<str>, Arc<str>) = (key.into(), session.into());
        let stored = (Arc::clone(&key), Arc::clone(&session));
        let insert = move |db: &mut Connection| {
            db.execute(
                "INSERT OR REPLACE INTO ended_sessions VALUES (?1, ?2, ?3)",
                (&*stored.0, &*stored.1, now().0),
            )
        };
        self.store.call(insert).await?;
        self.known.rcu(|known| {
            let mut known = Sessions::clone(known);
            known.insert((Arc::clone(&key), Arc::clone(&session)));
            known
        });
        Ok(())
    }

    /// Returns the sessions that have been ended by now.
    pub(crate) fn all(&self) -> Ended {
        Ended(self.known.load_full())
    }

    /// Returns whether a session has been ended.
    fn has(&self, key: &Arc<str>, session: &str) -> bool {
        let known = self.known.load();
        !known.is_empty() && known.contains(&(Arc::clone(key), session.into()))
    }

    /// Lets a request pass unless its session has been ended.
    ///
    /// # Errors
    ///
    /// 403 if it has.
    pub(crate) fn check(&self, key: &Arc<str>, session: Option<&str>) -> Result<(), Refused> {
        match session {
            Some(session) if self.has(key, session) => Err(Refused::client(
                403,
                "this session was ended by its owner or by the gateway's operator: start a new session",
            )),
            _ => Ok(()),
        }
    }
}

// === impl Ended ===

impl Ended {
    /// Returns whether a session is one of them.
    pub(crate) fn has(&self, session: &Session) -> bool {
        let named = (session.key.as_str().into(), session.name.as_str().into());
        !self.0.is_empty() && self.0.contains(&named)
    }
}

fn text(text: String) -> Arc<str> {
    text.into()
}
