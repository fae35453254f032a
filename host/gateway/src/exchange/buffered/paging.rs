//! Pages of an upstream's lists.

use witgate_messages::page::Page;
use witgate_messages::query::Query;

use super::fetch::{BufferedResponse, Fetch, FetchRequest};
use crate::answer::refused::Refused;

/// Largest number of the upstream's pages that are read for one page of a client.
pub(super) const MAX_PAGES: usize = 20;

/// An upstream's answer to a request for a page.
pub(super) enum Listed {
    Page(Page, BufferedResponse),
    /// The upstream's own error, which is the client's answer.
    Error(BufferedResponse),
}

/// Parses the query of a list.
///
/// # Errors
///
/// The query cannot be parsed: a 400.
pub(super) fn query(path: &str) -> Result<Query<'_>, Refused> {
    Query::of(path).map_err(|bad| Refused::client(400, bad.to_string()))
}

/// Fetches one page of the upstream.
///
/// # Errors
///
/// The upstream gave no answer, or one that is no page.
pub(super) async fn page(fetch: &mut Fetch<'_>, path: &str) -> Result<Listed, Refused> {
    let response = fetch.send(&FetchRequest::get(path)).await?;
    if !response.is_success() {
        return Ok(Listed::Error(response));
    }
    match Page::read(&response.body) {
        Some(page) => Ok(Listed::Page(page, response)),
        None => Err(no_list()),
    }
}

/// Returns the refusal of an answer that is no list.
pub(super) fn no_list() -> Refused {
    Refused::upstream(502, "the upstream's response is not a list")
}
