//! The endpoints.

use http::Method;
use serde_json::{Value, json};

use super::StandIn;
use super::ask::{self, Ask, Delivery};
use super::error::ApiError;
use super::events::Events;
use super::models;
use super::receive::{Credential, Request};
use super::reply::Reply;

/// A response with status 200.
#[derive(Debug)]
pub(super) enum Answer {
    Json(Value),
    /// JSON, a value on each line.
    Lines(String),
    Stream(Events),
}

/// Answers a request.
///
/// # Errors
///
/// Returns the error that the API would respond with.
pub(super) fn answer(app: &StandIn, request: &Request) -> Result<Answer, ApiError> {
    if let Some(status) = request.scenario.status {
        return Err(ApiError::of_status(status));
    }
    let get = matches!(request.method, Method::GET | Method::HEAD);
    match request.path.as_str() {
        "/" | "/api/hello" if get => Ok(Answer::Json(json!({"message": "hello"}))),
        "/v1/messages" if request.method == Method::POST => {
            request.admit()?;
            messages(app, request)
        }
        "/v1/messages/count_tokens" if request.method == Method::POST => {
            request.admit()?;
            let (_, _, prompt) = ask::parse_prompt(&request.body, &["model", "messages"])?;
            Ok(Answer::Json(json!({"input_tokens": prompt.tokens})))
        }
        "/v1/models" if get => {
            request.admit()?;
            models::list(&request.query).map(Answer::Json)
        }
        path => {
            if let Some(rest) = path.strip_prefix("/v1/messages/batches") {
                request.admit()?;
                return batches(app, request, rest);
            }
            match path.strip_prefix("/v1/models/") {
                Some(id) if get => {
                    request.admit()?;
                    models::get(id).map(Answer::Json)
                }
                _ => Err(ApiError::of_status(404)),
            }
        }
    }
}

/// Answers a request below `/v1/messages/batches`.
fn batches(app: &StandIn, request: &Request, rest: &str) -> Result<Answer, ApiError> {
    let rest: Vec<&str> = rest.split('/').skip(1).collect();
    let shown = match (request.method.as_str(), rest.as_slice()) {
        ("POST", []) => app.batches.create(app, request)?,
        ("GET", []) => app.batches.list(&request.query)?,
        ("GET", [id]) => app.batches.get(id)?,
        ("DELETE", [id]) => app.batches.delete(id)?,
        ("POST", [id, "cancel"]) => app.batches.cancel(id)?,
        ("GET", [id, "results"]) => return app.batches.results(id).map(Answer::Lines),
        _ => return Err(ApiError::of_status(404)),
    };
    Ok(Answer::Json(shown))
}

fn messages(app: &StandIn, request: &Request) -> Result<Answer, ApiError> {
    let ask = Ask::parse(&request.body)?;
    if ask.delivery == Delivery::Whole && request.scenario.error_after.is_some() {
        return Err(ApiError::of_status(529));
    }
    let reply = Reply::compose(&ask, &request.scenario, &app.ids, &app.cache);
    Ok(match ask.delivery {
        Delivery::Whole => Answer::Json(reply.message()),
        Delivery::Stream => Answer::Stream(Events::of(&reply)),
    })
}

// === impl Request ===

impl Request {
    /// Checks for the key and the version that every endpoint of `/v1` requires.
    fn admit(&self) -> Result<(), ApiError> {
        if self.credential == Credential::Missing {
            return Err(ApiError::unauthenticated());
        }
        match &self.version {
            Some(_) => Ok(()),
            None => Err(ApiError::invalid("anthropic-version: header is required")),
        }
    }
}
