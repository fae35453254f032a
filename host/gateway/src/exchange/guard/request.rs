//! The texts of a request, and of the requests of a new batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use witgate_messages::content::{self, Text};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::splice::{Edit, EditError};
use witgate_runtime::{ContentSide, Envelope, Guards, Lineup, Stopped};

use super::ended::{Unfit, refusal};
use super::limits::BLOCKING;
use super::texts::Document;
use crate::answer::refused::Refused;
use crate::exchange::decide::copy;
use crate::exchange::decide::edits::edit_failed;
use crate::exchange::settle::Settlement;
use crate::exchange::view::View;
use crate::tenants::concurrency::{Charge, FREE, Permit};

/// The members of a request that have texts.
pub(super) const MEMBERS: [&str; 2] = ["system", "messages"];

/// The member of a new batch that has texts.
const REQUESTS: [&str; 1] = ["requests"];

/// A request whose texts guards read.
struct Reading {
    guards: Box<Guards>,
    head: Head,
    members: &'static [&'static str],
    /// Members of each request of a new batch that an edit replaces, so that their texts are not sent.
    replaced: Vec<String>,
    charge: Option<Charge>,
    /// The time that guards may take, or `None` for a single request.
    limit: Option<Duration>,
}

/// Texts that were read, and the guards that read them.
struct Read {
    guards: Box<Guards>,
    /// The number of texts.
    texts: u32,
    edits: Result<Vec<Edit>, Failed>,
}

/// The reason to refuse a request, and the index of the request in a new batch.
struct Failed {
    unfit: Unfit,
    request: Option<usize>,
}

/// Returns the guards that are to read the texts of this exchange, or `None`.
///
/// # Errors
///
/// A required plugin is missing.
pub(crate) fn of(
    view: &Arc<View>,
    lineup: &Lineup,
    envelope: &Arc<Envelope>,
) -> Result<Option<Box<Guards>>, Refused> {
    if members(view).is_empty() && !has_texts(view.endpoint) {
        return Ok(None);
    }
    let hooks = lineup.begin(Arc::<View>::clone(view));
    let guards = hooks.guards(envelope).map_err(Refused::rejection)?;
    Ok(guards.map(Box::new))
}

/// Lets guards read the texts of a request. Returns the request as they leave it. The settlement keeps the guards for the answer.
///
/// # Errors
///
/// A guard refuses the request or fails, or the body can't be followed.
pub(crate) async fn inspect(
    mut view: Arc<View>,
    guards: Box<Guards>,
    envelope: &Envelope,
    settlement: &mut Settlement,
) -> Result<Arc<View>, Refused> {
    let members = members(&view);
    let head = view.head.clone().filter(|_| !members.is_empty());
    let Some(head) = head.filter(|_| guards.wants_side(ContentSide::Request)) else {
        settlement.keep_guards(guards, has_texts(view.endpoint));
        return Ok(view);
    };
    let bytes: usize = members
        .iter()
        .filter_map(|name| head.member(name))
        .map(str::len)
        .sum();
    let new_batch = members == REQUESTS;
    let decide = settlement.snapshot().config.batches.decide;
    let replaced = match new_batch {
        true => replaced(&view.edits_of_requests(envelope)),
        false => Vec::new(),
    };
    let reading = Reading {
        guards,
        head,
        members,
        replaced,
        charge: settlement.permit.as_ref().map(Permit::charge),
        limit: new_batch.then_some(decide),
    };
    let read = if bytes < BLOCKING {
        reading.read()
    } else {
        tokio::task::spawn_blocking(|| reading.read())
            .await
            .map_err(|_| Refused::gateway(503, "the request could not be inspected: try again"))?
    };
    settlement.keep_guards(read.guards, has_texts(view.endpoint));
    settlement.count_texts_of_request(read.texts);
    let edits = read.edits.map_err(|failed| failed.refused(decide))?;
    if !edits.is_empty() {
        let added = edits.iter().map(|edit| match edit {
            Edit::Set(_, json) => json.len(),
            Edit::Remove(_) | Edit::Insert(_) => 0,
        });
        let added: usize = added.sum();
        if added > FREE {
            copy::keep(&mut view, added, settlement)?;
        }
        let edited = match &view.head {
            Some(head) => Some(head.edited(&edits).map_err(|error| unchangeable(&error))?),
            None => None,
        };
        Arc::make_mut(&mut view).head = edited;
    }
    Ok(view)
}

/// Lets guards read the texts of a request that is not sent, such as a recorded one. Returns the edits of its members.
///
/// # Errors
///
/// A guard refuses the request or fails.
pub(crate) fn try_out(view: &View, guards: Guards) -> (Guards, Result<Vec<Edit>, Box<Stopped>>) {
    let Some(head) = view.head.clone() else {
        return (guards, Ok(Vec::new()));
    };
    let reading = Reading {
        guards: Box::new(guards),
        head,
        members: members(view),
        replaced: Vec::new(),
        charge: None,
        limit: None,
    };
    let read = reading.read();
    let edits = match read.edits {
        Ok(edits) => Ok(edits),
        Err(Failed {
            unfit: Unfit::Stopped(stopped),
            ..
        }) => Err(stopped),
        // The request has been parsed, and there is no limit.
        Err(_) => Ok(Vec::new()),
    };
    (*read.guards, edits)
}

/// Returns the members that edits put in the place of others.
fn replaced(edits: &[Edit]) -> Vec<String> {
    let replacing = |edit: &&Edit| !matches!(edit, Edit::Insert(_));
    let names = edits.iter().filter(replacing).map(Edit::name);
    names.map(str::to_owned).collect()
}

/// Returns the members of a request's body that have texts.
fn members(view: &View) -> &'static [&'static str] {
    match view.endpoint {
        Endpoint::Messages | Endpoint::CountTokens => &MEMBERS,
        Endpoint::Batches if view.method == Method::POST => &REQUESTS,
        _ => &[],
    }
}

/// Returns whether an answer of this endpoint has texts of a model.
fn has_texts(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Messages | Endpoint::BatchResults)
}

/// Returns the refusal of a request whose texts can't go on.
pub(super) fn refused(unfit: Unfit) -> Refused {
    match unfit {
        Unfit::Stopped(stopped) => refusal(*stopped),
        Unfit::Malformed(malformed) => Refused::client(400, malformed.kind.to_string()),
        Unfit::Refused(refused) => *refused,
        Unfit::TooLong => Refused::gateway(503, "the gateway's plugins take too long"),
    }
}

/// Returns the refusal of a body in which a guard's text can't be set.
fn unchangeable(error: &EditError) -> Refused {
    match error {
        EditError::NotJson { name, source } => Refused::client(
            400,
            format!("the request body is invalid: `{name}` is not JSON: {source}"),
        ),
        error => edit_failed(error),
    }
}

// === impl Reading ===

impl Reading {
    fn read(mut self) -> Read {
        let mut edits = Vec::new();
        let mut document = Document::new(self.charge, 0);
        let since = Instant::now();
        let mut failed = None;
        for name in self.members {
            let Some(json) = self.head.member(name) else {
                continue;
            };
            let mut at = None;
            let guards = &mut self.guards;
            let (limit, replaced) = (self.limit, &self.replaced);
            let sent = |member: &str| !replaced.iter().any(|name| name == member);
            let mut each = |text: Text<'_>| {
                if limit.is_some_and(|limit| since.elapsed() > limit) {
                    return Err(Unfit::TooLong);
                }
                document.read(guards, &text)
            };
            let read = match *name {
                "system" => content::system(json, &mut each),
                "messages" => content::messages(json, &mut each),
                _ => content::requests(json, sent, |index, text| {
                    at = Some(index);
                    each(text)
                }),
            };
            match read.and_then(|()| document.rewritten(json.as_bytes())) {
                Ok(None) => {}
                Ok(Some(new)) => {
                    // Cuts of a text by texts are a text.
                    let new = String::from_utf8(new).unwrap_or_default();
                    edits.push(Edit::Set((*name).to_owned(), new));
                }
                Err(unfit) => {
                    failed = Some(Failed { unfit, request: at });
                    break;
                }
            }
        }
        Read {
            guards: self.guards,
            texts: document.next(),
            edits: match failed {
                Some(failed) => Err(failed),
                None => Ok(edits),
            },
        }
    }
}

// === impl Failed ===

impl Failed {
    /// Returns the refusal. `limit` is the time that guards may take for a batch.
    fn refused(self, limit: Duration) -> Refused {
        let refused = match self.unfit {
            Unfit::Refused(refused) => return *refused,
            Unfit::TooLong => Refused::client(
                413,
                format!(
                    "the gateway's plugins take longer than {} ms to inspect the texts of this batch: send it in smaller \
                     batches, or ask the gateway's operator to raise batches.decide_ms",
                    limit.as_millis()
                ),
            ),
            unfit @ (Unfit::Stopped(_) | Unfit::Malformed(_)) => refused(unfit),
        };
        match self.request {
            Some(index) => Refused {
                message: format!("requests[{index}]: {}", refused.message),
                ..refused
            },
            None => refused,
        }
    }
}
