//! The pages `/usage` and `/sessions`: spend, and the sessions that it is made of.

use serde_json::json;
use witgate_usage::{Session, UsageError, session};

use super::page::Page;
use super::page_query::PageQuery;
use crate::gateway::Gateway;
use crate::usage::asked::{Asked, describe, session_page, sessions_page};
use crate::usage::{Asking, NoAnswer};

/// Returns the page `/usage` for a query.
pub(super) async fn page(gateway: &Gateway, query: Option<&str>) -> Page {
    let asked = match Asked::read(query) {
        Ok(asked) => asked,
        Err(problem) => return Page::error(400, &problem),
    };
    let answer = gateway.usage.ask_now(move |asking| asked.answer(asking));
    match answer.await {
        Ok(answered) => Page {
            status: 200,
            content_type: answered.content_type,
            body: answered.body,
            headers: Vec::new(),
        },
        Err(error) => no_answer(&error),
    }
}

/// Returns the page `/sessions` for a query.
pub(super) async fn sessions(gateway: &Gateway, query: Option<&str>) -> Page {
    let PageQuery { limit, cursor } = match PageQuery::read(query.unwrap_or_default()) {
        Ok(query) => query,
        Err(problem) => return Page::error(400, &problem),
    };
    let ended = gateway.ended_sessions.all();
    let answer = gateway.usage.ask_now(move |asking| {
        sessions_page(asking, None, limit, cursor, |session| {
            describe(session, |session| ended.has(session))
        })
    });
    match answer.await {
        Ok(page) => Page::json(200, &page),
        Err(error) => no_answer(&error),
    }
}

/// Returns the page of one session.
pub(super) async fn session_of(gateway: &Gateway, id: &str) -> Page {
    let Ok(number) = id.parse() else {
        return no_session();
    };
    let ended = gateway.ended_sessions.all();
    let answer = gateway.usage.ask_now(move |asking| {
        let Some(session) = find(asking, number)? else {
            return Ok(None);
        };
        let described = describe(&session, |session| ended.has(session));
        session_page(asking, &session, described).map(Some)
    });
    match answer.await {
        Ok(Some(page)) => Page::json(200, &page),
        Ok(None) => no_session(),
        Err(error) => no_answer(&error),
    }
}

/// Ends a session.
pub(super) async fn end(gateway: &Gateway, id: &str) -> Page {
    let Ok(number) = id.parse() else {
        return no_session();
    };
    let found = gateway.usage.ask_now(move |asking| find(asking, number));
    let session = match found.await {
        Ok(Some(session)) => session,
        Ok(None) => return no_session(),
        Err(error) => return no_answer(&error),
    };
    match gateway
        .ended_sessions
        .end(&session.key, &session.name)
        .await
    {
        Ok(()) => Page::json(200, &json!({"id": session.id.to_string(), "ended": true})),
        Err(error) => Page::error(503, &error.to_string()),
    }
}

fn find(asking: &Asking<'_>, number: i64) -> Result<Option<Session>, NoAnswer> {
    Ok(session(asking.db, number).map_err(UsageError::Refused)?)
}

fn no_session() -> Page {
    Page::error(404, "no such session: use an `id` from /sessions")
}

fn no_answer(error: &NoAnswer) -> Page {
    let status = match error {
        NoAnswer::Question(_) | NoAnswer::Refused(UsageError::TooMuch) => 400,
        NoAnswer::NotKept => 404,
        NoAnswer::Refused(_) | NoAnswer::Busy | NoAnswer::Stopped => 503,
    };
    Page::error(status, &error.to_string())
}
