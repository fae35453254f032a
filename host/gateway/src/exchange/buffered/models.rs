//! Models: the upstream's and the operator's own, as far as the caller's key may ask for them.
//!
//! The list is one of two parts: the configured resources, and behind them the upstream's models. It is short, so it is
//! read as a whole and pages are cut out of it.

use bytes::Bytes;
use serde_json::json;
use witgate_messages::page::{Item, Page};
use witgate_messages::query::{Cursor, Query};

use super::fetch::{BufferedResponse, Fetch, FetchRequest};
use super::paging::{Listed, MAX_PAGES, page, query};
use crate::answer::refused::Refused;
use crate::config::Resource;
use crate::exchange::authorize::not_found;

/// The models of the upstream.
enum Real {
    /// All models, and the first answer for its headers.
    Models(Vec<Item>, BufferedResponse),
    /// The upstream's own error, which is the client's answer.
    Error(BufferedResponse),
}

/// Returns one page of the models.
///
/// # Errors
///
/// The query cannot be parsed, its cursor is on no model of the caller's, or the upstream gave no list.
pub(crate) async fn list(fetch: &mut Fetch<'_>) -> Result<BufferedResponse, Refused> {
    let decision = fetch.decision;
    let view = &decision.view;
    let path = view.endpoint.upstream_path(&view.path);
    let query = query(&path)?;
    let (real, mut response) = match all(fetch, &path, &query).await? {
        Real::Models(models, response) => (models, response),
        Real::Error(error) => return Ok(error),
    };
    let resources = decision.snapshot.config.endpoints.resources.iter();
    let mut models: Vec<Item> = resources.map(item).collect();
    let logical = models.len();
    for model in real {
        // A resource of the same name stands before the upstream's model.
        let hidden = models.iter().take(logical).any(|own| own.id == model.id);
        if !hidden {
            models.push(model);
        }
    }
    models.retain(|model| view.caller.may_use(&model.id));

    let place = |id: &str| {
        let place = models.iter().position(|model| model.id == id);
        place.ok_or_else(|| not_found("model", id))
    };
    let limit = query.limit();
    let (from, to, has_more) = match &query.cursor {
        Cursor::Start => (0, limit, models.len() > limit),
        Cursor::After(id) => {
            let from = place(id)? + 1;
            (from, from + limit, models.len() > from + limit)
        }
        Cursor::Before(id) => {
            let to = place(id)?;
            (to.saturating_sub(limit), to, to > limit)
        }
    };
    let to = to.min(models.len());
    response.body = Page::write(models.get(from..to).unwrap_or_default(), has_more);
    Ok(response)
}

/// Returns one model.
///
/// # Errors
///
/// The caller may not use the model, or the upstream gave no answer.
pub(crate) async fn one(fetch: &mut Fetch<'_>) -> Result<BufferedResponse, Refused> {
    let decision = fetch.decision;
    let view = &decision.view;
    let id = view.endpoint.id(&view.path).unwrap_or_default();
    if !view.caller.may_use(id) {
        return Err(not_found("model", id));
    }
    if let Some(resource) = decision.snapshot.config.endpoints.resource(id) {
        return Ok(BufferedResponse::own(
            item(resource).json,
            fetch.settlement.id(),
        ));
    }
    let path = view.endpoint.upstream_path(&view.path);
    fetch.send(&FetchRequest::get(&path)).await
}

/// Reads all models of the upstream.
async fn all(fetch: &mut Fetch<'_>, path: &str, query: &Query<'_>) -> Result<Real, Refused> {
    let mut models = Vec::new();
    let mut cursor = Cursor::Start;
    let mut first = None;
    for _ in 0..MAX_PAGES {
        let next = query.page(path, &cursor, Query::MAX_LIMIT);
        let (read, response) = match page(fetch, &next).await? {
            Listed::Page(page, response) => (page, response),
            Listed::Error(error) => return Ok(Real::Error(error)),
        };
        first.get_or_insert(response);
        let more = read.has_more;
        models.extend(read.items);
        match models.last() {
            Some(last) if more => cursor = Cursor::After(last.id.clone().into()),
            _ => break,
        }
    }
    match first {
        Some(first) => Ok(Real::Models(models, first)),
        None => Err(Refused::gateway(500, "no page was asked for")),
    }
}

/// Returns a resource in the form that the API gives a model.
fn item(resource: &Resource) -> Item {
    let model = json!({
        "type": "model",
        "id": resource.id,
        "display_name": resource.display_name,
        "created_at": resource.created_at,
    });
    Item {
        id: resource.id.clone(),
        json: Bytes::from(model.to_string()),
    }
}
