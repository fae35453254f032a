//! Bodies that are never held as a whole: files, and what passes through.
//!
//! Each piece goes to the upstream before the next one is read, so a stream holds one piece, whatever its length, and a
//! bounded number of them while the upstream takes nothing ([`ahead`]). An answer before the end of the body ends the
//! sending, and so does a client that disconnects, also while the upstream takes nothing.
//!
//! An attempt is repeated only after a 401, and only while all that was sent is still in memory: see
//! [`Attempt::finish`]. A client has to keep up [`MIN_RATE`] once the time that any body has is over.

mod ahead;
mod body;

use std::future::Future;
use std::time::Duration;

use witgate_upstream::{
    Admission, Alternative, Answer, Attempt, Framing, HeadersOf, Request, RequestError, Response,
};

use self::body::Body;
use super::admit::Admitted;
use super::buffered;
use super::buffered::fetch::{BufferedResponse, OnDisconnect, refuse_logged};
use super::decide::Decision;
use super::decide::targets::Target;
use super::delivery::Delivered;
use super::downstream::{ClientLeft, Downstream, while_there};
use super::forward::answered::{Answered, Forwarded};
use super::forward::attempt::client_left;
use super::forward::failed_attempt::refuse_closed;
use super::forward::no_target;
use super::receive::body::{declared, send_continue};
use super::relay;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::exchange::headers::{self, AnswerForm, BodyCoding, Passing};
use crate::gateway::Gateway;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::Permit;
use crate::tenants::owners::Kind;

/// Bytes a second that a client has to send on average.
const MIN_RATE: u64 = 16 * 1024;

/// Longest time for which the rest of a body is read after its answer came early.
const LINGER: Duration = Duration::from_secs(2);

/// The progress of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Whole,
    /// The upstream answered before the end.
    Part,
}

/// The start of an upstream's answer to a streamed body.
struct Started {
    response: Response,
    attempt: Attempt,
    progress: Progress,
}

/// The reason for which a request stopped before its answer.
enum Stopped {
    /// The client disconnected, or its body is refused.
    Client(Refused),
    /// The upstream failed.
    Upstream(RequestError),
}

/// Uploads a file or a skill, and records its owner.
///
/// # Errors
///
/// The body cannot be read to its end, the upstream gave no answer, or the owner cannot be recorded.
pub(super) async fn upload(
    admitted: Admitted,
    gateway: &Gateway,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let decision = admitted.decision;
    let target = first(&decision)?;
    let started = send(&decision, target, OnDisconnect::Finish, session, settlement).await?;
    let response = read(started, target, settlement).await?;
    let kind = Kind::of(decision.view.endpoint).unwrap_or(Kind::File);
    let response = buffered::claim(gateway, settlement, kind, response).await?;
    end_early(session);
    Ok(response.deliver(session, settlement).await)
}

/// Passes a body and its answer on.
///
/// # Errors
///
/// The body cannot be read to its end, or the upstream gave no answer.
pub(super) async fn stream(
    admitted: Admitted,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let decision = admitted.decision;
    let target = first(&decision)?;
    let started = send(&decision, target, OnDisconnect::Cancel, session, settlement).await?;
    if started.progress == Progress::Part {
        // The rest of the body is still coming in, so the session must not be read as if the request had ended.
        let response = read(started, target, settlement).await?;
        end_early(session);
        return Ok(response.deliver(session, settlement).await);
    }
    let forwarded = Forwarded {
        answered: Answered::new(started.response, started.attempt),
        client: Downstream::waiting(&decision.snapshot, settlement.started(), None, None),
    };
    Ok(relay::relay(forwarded, session, settlement).await)
}

/// Returns the first target that has something for the path, or the first of all.
fn first(decision: &Decision) -> Result<&Target, Refused> {
    let view = &decision.view;
    let serves = |target: &&Target| target.upstream.serves(&view.method, &view.path).is_ok();
    let targets = &decision.targets;
    let served = targets.iter().find(serves);
    served.or(targets.first()).ok_or_else(no_target)
}

async fn read(
    started: Started,
    target: &Target,
    settlement: &Settlement,
) -> Result<BufferedResponse, Refused> {
    let Started {
        mut response,
        mut attempt,
        ..
    } = started;
    let name = &target.upstream.config.name;
    let charge = settlement.permit.as_ref().map(Permit::charge);
    let whole = BufferedResponse::read(&mut response, name, charge).await;
    attempt.body_read(&response);
    whole
}

/// Prepares the session for an answer before the end of the body. A connection that is closed with unread bytes is reset,
/// and a reset can overtake the answer.
fn end_early(session: &mut HttpSession) {
    session.drain_afterwards(LINGER);
}

/// Sends the body as it comes and waits for the head of the answer.
async fn send(
    decision: &Decision,
    target: &Target,
    on_disconnect: OnDisconnect,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Started, Refused> {
    // The body can go to one target only, so there is no alternative.
    let admission = Admission::Required(Alternative::None);
    let mut attempt = target.upstream.attempt(admission).map_err(|closed| {
        settlement.pass_over(&closed);
        refuse_closed(&closed)
    })?;
    let path = decision.view.endpoint.upstream_path(&decision.view.path);
    let request = request(decision, target, session, &path);
    let sent = exchange(
        &request,
        target,
        on_disconnect,
        &mut attempt,
        session,
        settlement,
    );
    let sent = sent.await.map_err(|stopped| match stopped {
        Stopped::Client(refused) => refused,
        Stopped::Upstream(error) => {
            attempt.failed(&error);
            refuse_logged(&error)
        }
    });
    let result = match &sent {
        Ok((response, _)) => Ok(response.status()),
        Err(refused) => Err(refused.message.clone()),
    };
    settlement.record_attempt(&mut attempt, None, result);
    let (response, progress) = sent?;
    Ok(Started {
        response,
        attempt,
        progress,
    })
}

async fn exchange(
    request: &Request<'_>,
    target: &Target,
    on_disconnect: OnDisconnect,
    attempt: &mut Attempt,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(Response, Progress), Stopped> {
    let mut upload = while_connected(session, attempt.begin(request)).await?;
    send_continue(session).await?;
    let mut body = Body::new(session, settlement)?;
    loop {
        let progress = if upload.is_ended() {
            Progress::Whole
        } else {
            body.pass(&mut upload, session, settlement).await?
        };
        attempt.body_sent();
        let answer = attempt.finish(upload, request, target.limit);
        let answer = match (on_disconnect, progress) {
            (OnDisconnect::Cancel, Progress::Whole) => while_connected(session, answer).await?,
            _ => answer.await.map_err(Stopped::Upstream)?,
        };
        match answer {
            Answer::Response(response) => return Ok((response, progress)),
            Answer::Repeated(repeated) => upload = repeated,
        }
    }
}

/// Waits for a step of the sending while the client is connected.
async fn while_connected<T>(
    session: &mut HttpSession,
    step: impl Future<Output = Result<T, RequestError>>,
) -> Result<T, Stopped> {
    match while_there(session, step).await {
        Ok(done) => done.map_err(Stopped::Upstream),
        Err(ClientLeft) => Err(Stopped::Client(client_left())),
    }
}

// === impl Stopped ===

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        Self::Client(refused)
    }
}

/// Returns the request without its body, which is framed as the client frames it.
fn request<'a>(
    decision: &'a Decision,
    target: &Target,
    session: &HttpSession,
    path: &'a str,
) -> Request<'a> {
    let passing = Passing {
        coding: BodyCoding::AsSent,
        form: if Kind::of(decision.view.endpoint).is_some() {
            AnswerForm::PlainAndWhole
        } else {
            AnswerForm::AsAsked
        },
        vmx_headers: target.upstream.config.vmx_headers,
    };
    Request {
        method: &decision.view.method,
        path,
        headers: headers::to_upstream(&session.request().headers, passing),
        headers_of: HeadersOf::Caller,
        framing: declared(session).map_or(Framing::Chunked, Framing::Length),
        body: &[],
    }
}
