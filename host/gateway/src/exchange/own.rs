//! Pages that the gateway itself has for its callers: what their key has spent, and its sessions. They go to no upstream, cost
//! nothing, and leave no receipt.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use witgate_usage::{Session, UsageError, session, session_named};

use super::delivery::{ConnectionFate, Delivered};
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::gateway::Gateway;
use crate::listen::session::HttpSession;
use crate::receipts::receipt::Outcome;
use crate::tenants::keys::Caller;
use crate::usage::asked::{Answered, Asked, describe, session_page, sessions_page};
use crate::usage::{Asking, NoAnswer};

/// Endpoint name of all pages.
pub(super) const CODE: &str = "own-page";

/// Sessions on a page.
const SESSIONS: usize = 100;

/// Longest name of a session in a path, in bytes.
const MAX_NAME_BYTES: usize = 1_024;

/// A page of a caller's own.
pub(crate) enum OwnPage {
    /// `GET /v1/usage`.
    Usage,
    /// `GET /sessions`.
    Sessions,
    /// `GET /sessions/{id}`.
    Session(String),
    /// `DELETE /sessions/{id}`.
    End(String),
}

// === impl OwnPage ===

impl OwnPage {
    /// Returns the page at a path, which may include a query, or `None` for other paths.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.split('?').next()?;
        let name = || {
            let name = path.strip_prefix("/sessions/")?;
            let decoded = percent_encoding::percent_decode_str(name).decode_utf8();
            let name = decoded.ok().filter(|name| name.len() <= MAX_NAME_BYTES)?;
            Some(name.into_owned())
        };
        match (method, path) {
            (&Method::GET, "/v1/usage") => Some(Self::Usage),
            (&Method::GET, "/sessions") => Some(Self::Sessions),
            (&Method::GET, _) => name().map(Self::Session),
            (&Method::DELETE, _) => name().map(Self::End),
            _ => None,
        }
    }

    /// Answers with the page, as far as it is about the caller's own key.
    ///
    /// # Errors
    ///
    /// - 400: the query is wrong.
    /// - 404: usage is not kept, or there is no such session of this key.
    /// - 503: the sums can't be read, or the end of a session can't be recorded.
    pub(super) async fn answer(
        self,
        caller: Arc<Caller>,
        gateway: &Arc<Gateway>,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<Delivered, Refused> {
        let answered = match self {
            Self::Usage => {
                let query = session.request().query();
                usage(&caller, gateway, query).await?
            }
            Self::Sessions => sessions(&caller, gateway).await?,
            Self::Session(name) => one(&caller, gateway, name).await?,
            Self::End(name) => end(&caller, gateway, name).await?,
        };
        settlement.set_status(200);
        let page = Answer::Page {
            content_type: answered.content_type,
            body: answered.body.into(),
            id: settlement.id(),
            headers: settlement.headers(),
        };
        let written = answer::write(session, page).await;
        Ok(match written {
            Ok(body) => {
                settlement.count(&body);
                Delivered {
                    outcome: Outcome::Answered,
                    connection: ConnectionFate::KeepAlive,
                }
            }
            Err(_) => Delivered {
                outcome: Outcome::ClientGone,
                connection: ConnectionFate::Close,
            },
        })
    }
}

/// Returns what the caller's key has spent.
async fn usage(
    caller: &Caller,
    gateway: &Gateway,
    query: Option<&str>,
) -> Result<Answered, Refused> {
    let mut asked = Asked::read(query).map_err(|problem| Refused::client(400, problem))?;
    asked.key = Some(Arc::clone(&caller.id));
    let answer = gateway
        .usage
        .ask_for_caller(move |asking| asked.answer(asking));
    answer.await.map_err(refused)
}

async fn sessions(caller: &Arc<Caller>, gateway: &Gateway) -> Result<Answered, Refused> {
    let (caller, ended) = (Arc::clone(caller), gateway.ended_sessions.all());
    let answer = gateway.usage.ask_for_caller(move |asking| {
        sessions_page(asking, Some(&caller.id), SESSIONS, 0, |session| {
            describe(session, |session| ended.has(session))
        })
    });
    answer.await.map(|page| json(&page)).map_err(refused)
}

async fn one(caller: &Arc<Caller>, gateway: &Gateway, name: String) -> Result<Answered, Refused> {
    let (caller, ended) = (Arc::clone(caller), gateway.ended_sessions.all());
    let answer = gateway.usage.ask_for_caller(move |asking| {
        let Some(session) = find(asking, &caller, &name)? else {
            return Ok(None);
        };
        let described = describe(&session, |session| ended.has(session));
        session_page(asking, &session, described).map(Some)
    });
    let page = answer.await.map_err(refused)?.ok_or_else(no_session)?;
    Ok(json(&page))
}

/// Ends a session of the caller's key.
async fn end(caller: &Arc<Caller>, gateway: &Gateway, name: String) -> Result<Answered, Refused> {
    let owner = Arc::clone(caller);
    let answer = gateway
        .usage
        .ask_for_caller(move |asking| find(asking, &owner, &name));
    let session = answer.await.map_err(refused)?.ok_or_else(no_session)?;
    gateway
        .ended_sessions
        .end(&session.key, &session.name)
        .await
        .map_err(|_| {
            Refused::gateway(503, "the end of the session can't be recorded: try again")
        })?;
    Ok(json(&json!({"id": session.id.to_string(), "ended": true})))
}

/// Returns the session of a caller by its name or its number.
fn find(asking: &Asking<'_>, caller: &Caller, name: &str) -> Result<Option<Session>, NoAnswer> {
    let named = session_named(asking.db, &caller.id, name).map_err(UsageError::Refused)?;
    if named.is_some() {
        return Ok(named);
    }
    let Ok(number) = name.parse() else {
        return Ok(None);
    };
    let numbered = session(asking.db, number).map_err(UsageError::Refused)?;
    Ok(numbered.filter(|session| *session.key == *caller.id))
}

fn json(page: &Value) -> Answered {
    Answered {
        content_type: "application/json",
        body: format!("{page:#}\n"),
    }
}

fn no_session() -> Refused {
    Refused::client(
        404,
        "this key has no such session: GET /sessions lists its sessions",
    )
}

fn refused(error: NoAnswer) -> Refused {
    match error {
        NoAnswer::Question(problem) => Refused::client(400, problem),
        NoAnswer::NotKept => Refused::client(404, error.to_string()),
        NoAnswer::Refused(UsageError::TooMuch) => Refused::client(400, error.to_string()),
        NoAnswer::Busy => Refused::gateway(503, error.to_string()),
        NoAnswer::Refused(_) | NoAnswer::Stopped => {
            tracing::error!(%error, "a caller's question about its usage has no answer");
            Refused::gateway(503, "usage can't be read: try again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_found_by_its_whole_path_and_method() {
        let of = |method: Method, path| OwnPage::of(&method, path);
        assert!(matches!(
            of(Method::GET, "/v1/usage?by=model"),
            Some(OwnPage::Usage)
        ));
        assert!(matches!(
            of(Method::GET, "/sessions"),
            Some(OwnPage::Sessions)
        ));
        let session = of(Method::DELETE, "/sessions/a%2Fb");
        assert!(
            matches!(session, Some(OwnPage::End(name)) if name == "a/b"),
            "decoded"
        );
        for (method, path) in [
            (Method::POST, "/v1/usage"),
            (Method::DELETE, "/sessions"),
            (Method::GET, "/v1/usages"),
            (Method::GET, "/v1/sessions"),
        ] {
            assert!(
                of(method.clone(), path).is_none(),
                "{method} {path} is no page"
            );
        }
    }
}
