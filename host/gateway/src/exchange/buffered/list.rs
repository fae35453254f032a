//! Lists of what belongs to one tenant, out of the upstream's lists of what belongs to all.
//!
//! The upstream's pages are walked until the client's page is full, at most [`PAGES`] of them for one request. A page that
//! the walk could not fill says that there is more behind its last item.

use std::collections::HashSet;

use bytes::Bytes;
use http::Method;
use witgate_messages::head::Head;
use witgate_messages::page::{Item, Page};
use witgate_messages::query::{Cursor, Query};
use witgate_messages::splice::{Edit, splice};

use super::super::authorize::{no_state, no_such};
use super::super::buffered::fetch::{Asker, Client, Question, Whole};
use super::turn_results;
use crate::answer::refused::Refused;
use crate::gateway::Gateway;
use crate::tenants::owners::Kind;

/// Most pages of the upstream that are read for one page of a client.
pub(in super::super) const PAGES: usize = 20;

/// What one walk found.
struct Found {
    items: Vec<Item>,
    /// The upstream's first answer, for its headers.
    first: Whole,
    /// Whether there is more in the direction of the walk.
    more: bool,
}

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Onwards,
    Back,
}

/// One page of the caller's own.
///
/// # Errors
///
/// The query can't be read, its cursor is not the caller's, or the upstream gave no list.
pub(crate) async fn list(
    asker: &mut Asker<'_>,
    gateway: &Gateway,
    kind: Kind,
) -> Result<Whole, Refused> {
    let decision = asker.decision;
    let view = &decision.view;
    let path = view.endpoint.upstream_path(&view.path);
    let query = query(&path)?;
    let owner = view.caller.owner();
    if let Cursor::After(id) | Cursor::Before(id) = &query.cursor {
        let owns = gateway.owners.owns(kind, id, &owner).await;
        if !owns.map_err(|error| no_state(&error))? {
            return Err(no_such(kind.code(), id));
        }
    }
    let count = gateway.owners.count(kind, &owner).await;
    let count = count.map_err(|error| no_state(&error))?;
    if count == 0 {
        return Whole::own(Page::write([], false), asker.settlement.id());
    }

    let limit = query.limit();
    let direction = match query.cursor {
        Cursor::Before(_) => Direction::Back,
        Cursor::Start | Cursor::After(_) => Direction::Onwards,
    };
    let walk = Walk {
        gateway,
        kind,
        owner: &owner,
        // One more than wanted tells whether there is more; and nobody has more than they have.
        enough: count.min(limit + 1),
    };
    let found = match walk.go(asker, &path, &query, direction).await? {
        Ok(found) => found,
        Err(error) => return Ok(error),
    };
    let Found {
        mut items,
        mut first,
        more,
    } = found;
    let has_more = items.len() > limit || more;
    items.truncate(limit);
    if direction == Direction::Back {
        items.reverse();
    }
    for item in &mut items {
        item.json = turn_results(kind, &item.json);
    }
    first.body = Page::write(&items, has_more);
    Ok(first)
}

/// One page of the skills: the caller's own, and those that are nobody's, as they stand on the upstream's page. It may be
/// shorter than was asked for, since its place is a token of the upstream's.
///
/// # Errors
///
/// The upstream gave no list, or the state can't be read.
pub(crate) async fn skills(asker: &mut Asker<'_>, gateway: &Gateway) -> Result<Whole, Refused> {
    let decision = asker.decision;
    let view = &decision.view;
    let path = view.endpoint.upstream_path(&view.path);
    let (page, mut whole) = match page(asker, &path).await? {
        Ok(read) => read,
        Err(error) => return Ok(error),
    };
    let ids = page.items.iter().map(|item| item.id.clone()).collect();
    let owner = view.caller.owner();
    let owned = gateway.owners.owned(Kind::Skill, ids, &owner).await;
    let owned: HashSet<_> = owned
        .map_err(|error| no_state(&error))?
        .into_iter()
        .collect();
    let shown = |item: &&Item| {
        owned.contains(&item.id) || decision.is_shared(&item.id) || is_published(&item.json)
    };
    let shown: Vec<_> = page
        .items
        .iter()
        .filter(shown)
        .map(|item| &*item.json)
        .collect();
    let data = [b"[", &*shown.join(&b","[..]), b"]"].concat();
    let edited = || {
        let head = Head::scan(whole.body.clone()).ok()?;
        let data = String::from_utf8(data).ok()?;
        let mut edits = vec![Edit::Set("data".into(), data)];
        let cursors = ["first_id", "last_id"].into_iter();
        let cursors = cursors.filter(|cursor| head.member(cursor).is_some());
        edits.extend(cursors.map(|cursor| Edit::Remove(cursor.into())));
        let parts = splice(&head, &edits).ok()?;
        Some(Bytes::from(parts.into_parts().concat()))
    };
    whole.body = edited().ok_or_else(|| {
        Refused::upstream(502, "the upstream answered with something that is no list")
    })?;
    Ok(whole)
}

/// Whether a skill is one that the upstream has published for all.
fn is_published(skill: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Skill {
        source: serde_json::Value,
    }
    const PUBLISHED: [&str; 2] = ["anthropic", "anthropic_example"];
    let Ok(Skill { source }) = serde_json::from_slice(skill) else {
        return false;
    };
    // Older versions of the API have a text there.
    let kind = source.as_str().or_else(|| source.get("type")?.as_str());
    kind.is_some_and(|kind| PUBLISHED.contains(&kind))
}

/// Reads the query of a list.
pub(in super::super) fn query(path: &str) -> Result<Query<'_>, Refused> {
    Query::of(path).map_err(|bad| Refused::client(400, bad.to_string()))
}

/// Asks for one page of the upstream.
///
/// # Errors
///
/// The upstream gave no answer, or one that is no page. Its own error is the inner one.
pub(in super::super) async fn page(
    asker: &mut Asker<'_>,
    path: &str,
) -> Result<Result<(Page, Whole), Whole>, Refused> {
    let question = Question {
        method: Method::GET,
        path,
        body: None,
        client: Client::Needed,
    };
    let whole = asker.ask(&question).await?;
    if !whole.is_success() {
        return Ok(Err(whole));
    }
    match Page::read(&whole.body) {
        Some(page) => Ok(Ok((page, whole))),
        None => Err(Refused::upstream(
            502,
            "the upstream answered with something that is no list",
        )),
    }
}

/// A walk through the upstream's pages for one owner's things.
struct Walk<'a> {
    gateway: &'a Gateway,
    kind: Kind,
    owner: &'a str,
    enough: usize,
}

// === impl Walk ===

impl Walk<'_> {
    /// Walks. The items come in the order of the walk: nearest to the cursor first.
    async fn go(
        &self,
        asker: &mut Asker<'_>,
        path: &str,
        query: &Query<'_>,
        direction: Direction,
    ) -> Result<Result<Found, Whole>, Refused> {
        let mut cursor = query.cursor.clone();
        let mut items = Vec::new();
        let mut first = None;
        let mut more = true;
        for _ in 0..PAGES {
            let next = query.page(path, &cursor, Query::MAX_LIMIT);
            let (read, whole) = match page(asker, &next).await? {
                Ok(read) => read,
                Err(error) => return Ok(Err(error)),
            };
            first.get_or_insert(whole);
            let Page {
                items: mut listed,
                has_more,
            } = read;
            if direction == Direction::Back {
                listed.reverse();
            }
            let last = listed.last().map(|item| item.id.clone());
            self.keep_own(listed, &mut items).await?;
            let Some(last) = last.filter(|_| has_more && items.len() < self.enough) else {
                more = false;
                break;
            };
            cursor = match direction {
                Direction::Onwards => Cursor::After(last.into()),
                Direction::Back => Cursor::Before(last.into()),
            };
        }
        if more {
            tracing::warn!(
                kind = self.kind.code(),
                pages = PAGES,
                found = items.len(),
                "a tenant's list was not filled within the pages that one request may read"
            );
        }
        let first = first.ok_or_else(|| Refused::gateway(500, "no page was asked for"))?;
        Ok(Ok(Found {
            // Whoever goes on from the last item gets the rest; without an item there is nowhere to go on from.
            more: more && !items.is_empty(),
            items,
            first,
        }))
    }

    async fn keep_own(&self, listed: Vec<Item>, kept: &mut Vec<Item>) -> Result<(), Refused> {
        let ids = listed.iter().map(|item| item.id.clone()).collect();
        let owned = self.gateway.owners.owned(self.kind, ids, self.owner).await;
        let mut owned = owned
            .map_err(|error| no_state(&error))?
            .into_iter()
            .peekable();
        // Both are in the same order.
        kept.extend(
            listed
                .into_iter()
                .filter(|item| owned.next_if(|id| *id == item.id).is_some()),
        );
        Ok(())
    }
}
