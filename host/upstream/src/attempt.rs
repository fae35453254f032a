//! The only way to send a request to an upstream, whoever sends it.
//!
//! [`Upstream::attempt`] asks the upstream's admission. An [`Attempt`] then sends a request, renews the credential and
//! repeats the request once after a 401, applies the idle timeout, and reports the outcome to the statistics and the
//! circuit breaker: a status, a [`RequestError`], or a body that broke off. A request that was ended by others, such as
//! a client that disconnected or a limit that a plan or a caller chose, says nothing about the upstream and is counted
//! nowhere.

mod pooled;

use std::sync::Arc;
use std::time::Instant;

use super::Upstream;
use super::admission::{Admission, Closed};
use super::breaker::{Report, Ticket};
use super::connection::departure::Departure;
use super::connection::error::RequestError;
use super::connection::response::Response;
use super::connection::upload::Upload;
use super::credential::{Credential, Renewal};
use super::dialect::translation::AsSent;
use super::limit::{ChosenBy, Limit};
use super::pool::Wish;
use super::request::Request;
use super::stats::Outcome;

/// A request at an upstream, counted until it is dropped.
pub struct Attempt {
    upstream: Arc<Upstream>,
    admission: Admission,
    ticket: Ticket,
    /// The time at which the upstream had the request, and its time to answer began.
    since: Instant,
    /// The outcome so far; `None` while it says nothing about the upstream.
    outcome: Option<Outcome>,
    /// The outcome that the breaker has been told.
    told: Option<Outcome>,
    records: Records,
    /// What the request needs of a pool, if it was said.
    wish: Option<Box<Wish>>,
}

/// A request that was sent, for the caller's own records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The upstream's id of the request, if it gave one.
    pub request_id: Option<String>,
    /// The name of the credential, if the upstream has several.
    pub credential: Option<Arc<str>>,
    /// The name of the credential that the session had before, if it was another one.
    pub moved_from: Option<Arc<str>>,
    /// The status of the answer, or a description of the failure.
    pub result: Result<u16, String>,
    /// The request as it was sent, where that is another one; `None` if it was not translated.
    pub translated: Option<Box<AsSent>>,
}

/// The facts for [`Attempt::sent`].
#[derive(Default)]
struct Records {
    /// The requests before the last one: one that was refused with a 401 before the credential was renewed, or those with other
    /// credentials of a pool.
    refused: Vec<Sent>,
    /// The id of the last answer.
    request_id: Option<String>,
    credential: Option<Arc<str>>,
    moved_from: Option<Arc<str>>,
    /// The last request was refused for lack of credentials with room, and is recorded.
    is_exhausted: bool,
    /// The last request as it was sent, if it was translated.
    translated: Option<Box<AsSent>>,
}

/// The answer to an upload.
pub enum Answer {
    /// The answer, whose body is still to be read.
    Response(Response),
    /// The upstream refused a credential that has been replaced since. What it had been sent of the body has been sent
    /// again; the rest is to follow.
    Repeated(Upload),
}

// === impl Upstream ===

impl Upstream {
    /// Begins an attempt, if the upstream takes it.
    ///
    /// # Errors
    ///
    /// [`Closed`]: the health checks fail, `max_in_flight` is reached, or the breaker is open.
    pub fn attempt(self: &Arc<Self>, admission: Admission) -> Result<Attempt, Closed> {
        let ticket = self.admit(admission)?;
        Ok(Attempt {
            upstream: Arc::clone(self),
            admission,
            ticket,
            since: Instant::now(),
            outcome: None,
            told: None,
            records: Records::default(),
            wish: None,
        })
    }
}

// === impl Attempt ===

impl Attempt {
    /// Sends a request and reads the head of its answer. Marks `departure` when all of it has been sent. A future that is
    /// dropped before its end leaves no trace in the statistics.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: nothing of an answer has been read.
    pub async fn send(
        &mut self,
        request: &Request<'_>,
        limit: Limit,
        departure: &Departure,
    ) -> Result<Response, RequestError> {
        if self.upstream.pool.is_some() {
            // Rare and large: on the heap it does not weigh on every request.
            return Box::pin(self.send_pooled(request, limit, departure)).await;
        }
        let response = self.send_once(request, None, limit, departure).await?;
        if response.status() == 401 {
            // A refused request was not acted on, and a renewal may take a while.
            departure.reset();
        }
        if !self.renews_after(&response).await {
            return Ok(response);
        }
        drop(response);
        self.send_once(request, None, limit, departure).await
    }

    async fn send_once(
        &mut self,
        request: &Request<'_>,
        pooled: Option<&Credential>,
        limit: Limit,
        departure: &Departure,
    ) -> Result<Response, RequestError> {
        self.since = Instant::now();
        let sent = match &self.upstream.dialect {
            // A health check asks for what is there, in no dialect.
            Some(dialect) if self.admission != Admission::HealthCheck => {
                let translated = &mut self.records.translated;
                let (upstream, dialect) = (&self.upstream, dialect.as_ref());
                let send = upstream.send_translated(dialect, request, limit, departure, translated);
                // Rare and large: on the heap it does not weigh on every request.
                Box::pin(send).await
            }
            _ => self.upstream.send(request, pooled, limit, departure).await,
        };
        self.answered(sent)
    }

    /// Connects and sends the head of a request whose body follows piece by piece.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: there is no connection, or it broke.
    pub async fn begin(&mut self, request: &Request<'_>) -> Result<Upload, RequestError> {
        self.upstream.takes_uploads()?;
        let first = self.first_credential();
        let begun = self.upstream.begin(request, first.as_ref()).await;
        begun.inspect_err(|error| self.failed(error))
    }

    /// Marks the end of a body that was sent piece by piece: from here on the upstream takes its time, not the client.
    pub fn body_sent(&mut self) {
        self.since = Instant::now();
    }

    /// Waits for the answer to an upload. After a 401 for a credential that can be renewed, the upload is begun anew as
    /// long as all that was sent of it is still in memory; a longer one gets the 401, and the next request the new
    /// credential.
    ///
    /// # Errors
    ///
    /// [`RequestError`]: there is no answer.
    pub async fn finish(
        &mut self,
        upload: Upload,
        request: &Request<'_>,
        limit: Limit,
    ) -> Result<Answer, RequestError> {
        let is_whole = upload.is_ended();
        let (answered, kept) = upload.answer(limit).await;
        let response = match answered {
            Ok(response) if !is_whole => self.answered_early(response),
            answered => self.answered(answered)?,
        };
        if !self.renews_after(&response).await {
            return Ok(Answer::Response(response));
        }
        let Some(kept) = kept else {
            self.records.refused.clear();
            return Ok(Answer::Response(response));
        };
        drop(response);
        let mut upload = self.begin(request).await?;
        let resent = upload.resend(kept).await;
        resent.inspect_err(|error| self.failed(error))?;
        Ok(Answer::Repeated(upload))
    }

    /// Renews the credential after a 401, once in an attempt. The request is worth repeating if this returns `true`.
    async fn renews_after(&mut self, response: &Response) -> bool {
        let may_renew = response.status() == 401
            && self.records.refused.is_empty()
            && self.admission != Admission::HealthCheck;
        if !may_renew || self.upstream.own_credential().renew().await == Renewal::Unchanged {
            return false;
        }
        self.keep_record(401);
        true
    }

    /// Returns the requests of this attempt in their order, of which the last one had this result.
    pub fn sent(&mut self, result: Result<u16, String>) -> impl Iterator<Item = Sent> + use<> {
        let last = Sent {
            request_id: self.records.request_id.take(),
            credential: self.records.credential.take(),
            moved_from: self.records.moved_from.take(),
            result,
            translated: self.records.translated.take(),
        };
        let before = std::mem::take(&mut self.records.refused);
        // A refusal that was recorded is not another request.
        let last = (!self.records.is_exhausted).then_some(last);
        before.into_iter().chain(last)
    }

    /// Returns the name of the upstream.
    pub fn upstream(&self) -> &str {
        &self.upstream.config.name
    }

    /// Gives the connection of an answer that was read to its end back to the pool.
    pub fn release(&self, response: Response) {
        response.release(&self.upstream);
    }

    /// Learns from the head of an answer, or from its absence. The breaker is told at once: a stream may go on for
    /// minutes, and others wait for the result of a trial.
    fn answered(&mut self, sent: Result<Response, RequestError>) -> Result<Response, RequestError> {
        self.records.request_id = None;
        let mut response = sent.inspect_err(|error| self.failed(error))?;
        self.received(&mut response);
        if self.admission == Admission::HealthCheck {
            return Ok(response);
        }
        let now = Instant::now();
        let outcome = self.upstream.provider().outcome(response.status());
        // An upstream that fails at once is not a fast one.
        if outcome == Outcome::Success {
            let took = now.saturating_duration_since(self.since);
            self.upstream.stats.latency.record(took, now);
        }
        self.outcome = Some(outcome);
        self.tell_breaker(now);
        Ok(response)
    }

    /// Learns from an answer to a body that was not sent to its end. Its latency depended on the client, and so did a 408
    /// of an upstream that stopped waiting.
    fn answered_early(&mut self, mut response: Response) -> Response {
        self.received(&mut response);
        let status = response.status();
        if status != 408 {
            self.reported(status);
        }
        response
    }

    fn received(&mut self, response: &mut Response) {
        response.set_idle_timeout(self.upstream.config.idle_timeout);
        self.records.request_id = response.request_id().map(str::to_owned);
    }

    /// Learns from an error inside an answer, as from the status that stands for it.
    pub fn reported(&mut self, status: u16) {
        self.outcome = Some(self.upstream.provider().outcome(status));
        self.tell_breaker(Instant::now());
    }

    /// Learns from a request without an answer.
    pub fn failed(&mut self, error: &RequestError) {
        if let Some(outcome) = outcome_of(error) {
            self.end(outcome);
        }
    }

    /// Learns from the body of an answer, once it is not read any further.
    pub fn body_read(&mut self, response: &Response) {
        if response.is_broken() {
            self.end(Outcome::Failure);
        }
    }

    /// Records the outcome. The last call wins.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    fn tell_breaker(&mut self, now: Instant) {
        if self.told.is_some() && self.told == self.outcome {
            return;
        }
        let ticket = std::mem::replace(&mut self.ticket, Ticket::Plain);
        let report = match (self.outcome, self.told) {
            (None, _) => None,
            (Some(Outcome::Failure), Some(_)) => Some(Report::LateFailure),
            (Some(Outcome::Failure), None) => Some(Report::Failure),
            (Some(Outcome::Success | Outcome::Overloaded), None) => Some(Report::Success),
            // The breaker has counted a sign of life already.
            (Some(Outcome::Success | Outcome::Overloaded), Some(_)) => return,
        };
        self.upstream.learn(ticket, report, now);
        self.told = self.outcome;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.admission == Admission::HealthCheck {
            return;
        }
        let now = Instant::now();
        let stats = &self.upstream.stats;
        stats.leave();
        if let Some(outcome) = self.outcome {
            stats.record(outcome, now);
        }
        self.tell_breaker(now);
    }
}

/// Returns what a failure says about the upstream; `None` where the limit that elapsed is not the upstream's own, or the
/// request is at fault.
fn outcome_of(error: &RequestError) -> Option<Outcome> {
    match error {
        RequestError::Connect { .. }
        | RequestError::Broken { .. }
        | RequestError::Malformed { .. } => Some(Outcome::Failure),
        RequestError::Timeout { limit, .. } => match limit.chosen_by {
            ChosenBy::Upstream => Some(Outcome::Failure),
            ChosenBy::Plan | ChosenBy::Caller => None,
        },
        RequestError::Unsendable { .. }
        | RequestError::Exhausted { .. }
        | RequestError::Unfit { .. }
        | RequestError::NoCredential { .. } => None,
    }
}

// === impl RequestError ===

impl RequestError {
    /// Returns whether the failure says anything about the upstream.
    pub fn is_upstreams(&self) -> bool {
        outcome_of(self).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_limit_of_the_upstreams_own_and_failures_of_its_own_count_against_it() {
        let upstream = || "a".to_owned();
        let late = |chosen_by| RequestError::Timeout {
            upstream: upstream(),
            limit: Limit {
                after: Duration::from_secs(1),
                chosen_by,
            },
        };
        let reason = String::new;
        for error in [
            RequestError::Connect {
                upstream: upstream(),
                reason: reason(),
            },
            RequestError::Broken {
                upstream: upstream(),
                reason: reason(),
            },
            RequestError::Malformed {
                upstream: upstream(),
                reason: reason(),
            },
            late(ChosenBy::Upstream),
        ] {
            let outcome = outcome_of(&error);
            assert_eq!(outcome, Some(Outcome::Failure), "its fault: {error}");
        }
        let unsendable = RequestError::Unsendable {
            upstream: upstream(),
            reason: reason(),
        };
        for error in [late(ChosenBy::Plan), late(ChosenBy::Caller), unsendable] {
            assert_eq!(outcome_of(&error), None, "not its fault: {error}");
        }
    }
}
