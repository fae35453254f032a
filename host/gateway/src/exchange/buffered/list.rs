//! Lists of what belongs to one tenant, filtered from the upstream's lists of what belongs to all.
//!
//! The upstream's pages are walked until the client's page is full, at most [`MAX_PAGES`] of them for one request. A
//! page that the walk could not fill says that there is more behind its last item.

use std::collections::HashSet;

use bytes::Bytes;
use witgate_messages::head::Head;
use witgate_messages::page::{Item, Page};
use witgate_messages::query::{Cursor, Query};
use witgate_messages::splice::{Edit, splice};

use super::fetch::{BufferedResponse, Fetch};
use super::paging::{Listed, MAX_PAGES, no_list, page, query};
use super::results_url::turn_results;
use crate::answer::refused::Refused;
use crate::exchange::authorize::not_found;
use crate::gateway::Gateway;
use crate::tenants::owners::Kind;

/// The result of a walk.
enum Walked {
    Found(Found),
    /// The upstream's own error, which is the client's answer.
    Error(BufferedResponse),
}

/// The items that a walk found.
struct Found {
    items: Vec<Item>,
    /// The upstream's first answer, for its headers.
    first: BufferedResponse,
    /// There is more in the direction of the walk.
    more: bool,
}

/// The direction of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Onwards,
    Back,
}

/// Returns one page of what the caller owns.
///
/// # Errors
///
/// The query cannot be parsed, its cursor is not the caller's, or the upstream gave no list.
pub(crate) async fn list(
    fetch: &mut Fetch<'_>,
    gateway: &Gateway,
    kind: Kind,
) -> Result<BufferedResponse, Refused> {
    let decision = fetch.decision;
    let view = &decision.view;
    let path = view.endpoint.upstream_path(&view.path);
    let query = query(&path)?;
    let owner = view.caller.owner();
    if let Cursor::After(id) | Cursor::Before(id) = &query.cursor
        && !gateway.owners.owns(kind, id, &owner).await?
    {
        return Err(not_found(kind.code(), id));
    }
    let count = gateway.owners.count(kind, &owner).await?;
    if count == 0 {
        return Ok(BufferedResponse::own(
            Page::write([], false),
            fetch.settlement.id(),
        ));
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
        // An extra item tells whether there is more; and no walk finds more than the caller owns.
        enough: count.min(limit + 1),
    };
    let walked = walk.go(fetch, &path, &query, direction).await?;
    let Found {
        mut items,
        mut first,
        more,
    } = match walked {
        Walked::Found(found) => found,
        Walked::Error(error) => return Ok(error),
    };
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

/// Returns one page of the skills: the caller's own and the public ones of the upstream's page. The page may be shorter
/// than the client asked for, since its cursor is a token of the upstream's.
///
/// # Errors
///
/// The upstream gave no list, or the state cannot be read.
pub(crate) async fn skills(
    fetch: &mut Fetch<'_>,
    gateway: &Gateway,
) -> Result<BufferedResponse, Refused> {
    let decision = fetch.decision;
    let view = &decision.view;
    let path = view.endpoint.upstream_path(&view.path);
    let (page, mut response) = match page(fetch, &path).await? {
        Listed::Page(page, response) => (page, response),
        Listed::Error(error) => return Ok(error),
    };
    let ids = page.items.iter().map(|item| item.id.clone()).collect();
    let owner = view.caller.owner();
    let owned = gateway.owners.owned(Kind::Skill, ids, &owner).await?;
    let owned: HashSet<_> = owned.into_iter().collect();
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
        let head = Head::scan(response.body.clone()).ok()?;
        let data = String::from_utf8(data).ok()?;
        let mut edits = vec![Edit::Set("data".into(), data)];
        let cursors = ["first_id", "last_id"].into_iter();
        let cursors = cursors.filter(|cursor| head.member(cursor).is_some());
        edits.extend(cursors.map(|cursor| Edit::Remove(cursor.into())));
        let parts = splice(&head, &edits).ok()?;
        Some(Bytes::from(parts.into_parts().concat()))
    };
    response.body = edited().ok_or_else(no_list)?;
    Ok(response)
}

/// Returns whether the upstream has published a skill for all.
fn is_published(skill: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Skill {
        source: serde_json::Value,
    }
    const PUBLISHED: [&str; 2] = ["anthropic", "anthropic_example"];
    let Ok(Skill { source }) = serde_json::from_slice(skill) else {
        return false;
    };
    // In older versions of the API the source is a string.
    let kind = source.as_str().or_else(|| source.get("type")?.as_str());
    kind.is_some_and(|kind| PUBLISHED.contains(&kind))
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
    /// Walks the pages. The items come in the order of the walk: nearest to the cursor first.
    async fn go(
        &self,
        fetch: &mut Fetch<'_>,
        path: &str,
        query: &Query<'_>,
        direction: Direction,
    ) -> Result<Walked, Refused> {
        let mut cursor = query.cursor.clone();
        let mut items = Vec::new();
        let mut first = None;
        let mut more = true;
        for _ in 0..MAX_PAGES {
            let next = query.page(path, &cursor, Query::MAX_LIMIT);
            let (read, response) = match page(fetch, &next).await? {
                Listed::Page(page, response) => (page, response),
                Listed::Error(error) => return Ok(Walked::Error(error)),
            };
            first.get_or_insert(response);
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
                pages = MAX_PAGES,
                found = items.len(),
                "a tenant's list was not filled within the pages that one request may read"
            );
        }
        let first = first.ok_or_else(|| Refused::gateway(500, "no page was asked for"))?;
        Ok(Walked::Found(Found {
            // A client continues after the last item; without an item there is no place to continue from.
            more: more && !items.is_empty(),
            items,
            first,
        }))
    }

    async fn keep_own(&self, listed: Vec<Item>, kept: &mut Vec<Item>) -> Result<(), Refused> {
        let ids = listed.iter().map(|item| item.id.clone()).collect();
        let owned = self.gateway.owners.owned(self.kind, ids, self.owner);
        let mut owned = owned.await?.into_iter().peekable();
        // Both are in the same order.
        kept.extend(
            listed
                .into_iter()
                .filter(|item| owned.next_if(|id| *id == item.id).is_some()),
        );
        Ok(())
    }
}
