//! An attempt at an upstream with a pool of credentials.
//!
//! A credential that is at its limit, or that the upstream refuses, gives way to the next one at once: without a backoff, as
//! part of the same attempt, and at most as often as there are credentials. The upstream is not at fault, so neither its
//! breaker nor its retry budget is told.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use witgate_http::Value;

use super::{Attempt, Sent};
use crate::Admission;
use crate::connection::departure::Departure;
use crate::connection::error::RequestError;
use crate::connection::response::Response;
use crate::credential::Credential;
use crate::limit::Limit;
use crate::pool::{Next, Reading, Round, Wish};
use crate::request::Request;

// === impl Attempt ===

impl Attempt {
    /// Says what the request needs of a pool. Without it, the first credential is used.
    pub fn set_wish(&mut self, wish: Wish) {
        self.wish = Some(Box::new(wish));
    }

    pub(super) async fn send_pooled(
        &mut self,
        request: &Request<'_>,
        limit: Limit,
        departure: &Departure,
    ) -> Result<Response, RequestError> {
        let upstream = Arc::clone(&self.upstream);
        let Some(pool) = &upstream.pool else {
            return self.send_once(request, None, limit, departure).await;
        };
        if self.admission == Admission::HealthCheck {
            let first = self.first_credential();
            return self
                .send_once(request, first.as_ref(), limit, departure)
                .await;
        }
        let wish = self.wish.take().unwrap_or_default();
        let mut round = Round::new(pool, &wish);
        loop {
            let mut lease = round.take().map_err(|wait| self.exhausted(wait))?;
            self.records.credential = Some(Arc::clone(lease.name()));
            self.records.moved_from = lease.moved_from().cloned();
            let mut sent = self
                .send_once(request, Some(&lease.shown), limit, departure)
                .await?;
            if sent.status() == 401 {
                // A refused request was not acted on, and a renewal may take a while.
                departure.reset();
                if round.renews(&lease).await {
                    self.keep_record(401);
                    drop(sent);
                    lease.refresh();
                    sent = self
                        .send_once(request, Some(&lease.shown), limit, departure)
                        .await?;
                }
            }
            let status = sent.status();
            match round.answered(lease, status, &reading(&sent)) {
                Next::Stands => return Ok(sent),
                Next::Another => {
                    departure.reset();
                    self.keep_record(status);
                }
                Next::Exhausted(wait) => {
                    self.keep_record(status);
                    self.records.is_exhausted = true;
                    return Err(self.exhausted(wait));
                }
            }
        }
    }

    /// Returns the credential that owns what an upstream with a pool keeps; `None` without a pool.
    pub(super) fn first_credential(&mut self) -> Option<Credential> {
        let upstream = Arc::clone(&self.upstream);
        let first = upstream.pool.as_ref()?.first()?;
        self.records.credential = Some(Arc::clone(first.name()));
        Some(first.store.current())
    }

    /// Keeps the record of a request that is followed by another one.
    pub(super) fn keep_record(&mut self, status: u16) {
        self.records.refused.push(Sent {
            request_id: self.records.request_id.take(),
            credential: self.records.credential.clone(),
            moved_from: self.records.moved_from.take(),
            result: Ok(status),
            translated: self.records.translated.take(),
        });
    }

    fn exhausted(&self, retry_after: Option<Duration>) -> RequestError {
        RequestError::Exhausted {
            upstream: self.upstream.config.name.clone(),
            retry_after,
        }
    }
}

/// Reads what an answer says about its credential.
fn reading(response: &Response) -> Reading {
    let Some(head) = response.head() else {
        return Reading::default();
    };
    let header = |name: &str| head.headers.get(name).and_then(Value::to_str);
    Reading::of(header, SystemTime::now())
}
