//! Step 7: a drop guard that settles the hold and submits the receipt, however the exchange ended.

mod guards;
mod hold;
mod lease;
mod targets;
mod unkept;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use witgate_capacity::Lease;
use witgate_http::Headers;
use witgate_ledger::Hold;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::error::ErrorReport;
use witgate_messages::sse::Place;
use witgate_runtime::{CallTrace, HookSession, Lineup, Rejection, Request};
use witgate_upstream::Affinity;

use self::guards::Kept;
use self::hold::Cover;
pub(super) use self::unkept::Unkept;
use super::decide::reserve::Forecast;
use super::own;
use super::relay::metering::Metering;
use crate::answer::cors::{self, CorsSource};
use crate::answer::refused::Refused;
use crate::clock::now;
use crate::exchange::headers::Additions;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::listen::session::HttpSession;
use crate::receipts::batch_note::BatchNote;
use crate::receipts::finished::Finished;
use crate::receipts::receipt::{Outcome, Receipt, RequestFacts, RouteFacts};
use crate::tenants::concurrency::Permit;
use crate::tenants::owners::{ClaimError, Kind};
use crate::tenants::provenance::Provenance;

/// The receipt, the hold and the meter of one exchange. It outlives all steps.
pub(crate) struct Settlement {
    gateway: Arc<Gateway>,
    snapshot: Arc<Snapshot>,
    lineup: Arc<Lineup>,
    started: Instant,
    receipt: Receipt,
    /// The plugins that took part, and those that were skipped.
    pub(super) trace: CallTrace,
    headers: Headers,
    guards: Kept,
    hold: Option<Hold>,
    /// The part of the upstream's capacity that the answered attempt was admitted with.
    lease: Option<Box<Lease>>,
    /// The limits of the hold's charges without an operator's live ones, once any of those has applied.
    default_limits: Option<Box<[u64]>>,
    metering: Option<Metering>,
    /// The origin whose thinking the provider that answers signs, or `None` if it signs none or all upstreams have one provider.
    origin: Option<Affinity>,
    /// What was known about the use of the request before it was sent.
    forecast: Forecast,
    /// The use that the hold covers.
    cover: Cover,
    /// The refusal of more, once a limit ends the response.
    spent: Option<Box<Refused>>,
    /// Number of requests that are charged: one, or those of the batch that was created.
    requests: u64,
    /// The permit to be in flight, released when the exchange has ended.
    pub(super) permit: Option<Permit>,
}

/// The header with the gateway's id of the request, on every response.
const REQUEST_ID: &str = "witgate-request-id";

/// Headers of the gateway's own for which room is made.
const OWN_HEADERS: usize = 16;

// === impl Settlement ===

impl Settlement {
    /// Begins an exchange whose request head was just read. Pins the lineup and the configuration, which the exchange keeps
    /// to its end.
    pub(super) fn open(gateway: &Arc<Gateway>, session: &HttpSession) -> Self {
        let random = hex::encode(rand::random::<[u8; 16]>());
        let id: Arc<str> = ["req_wg", random.as_str()].concat().into();
        gateway.metrics.opened();
        let snapshot = gateway.snapshot();
        let request = session.request();
        let mut receipt = Receipt::new(id, now().0, request.method.as_str());
        receipt.request.provenance = Provenance::of_connection(session);
        Self {
            headers: snapshot.config.cors.headers(&request.headers),
            snapshot,
            lineup: gateway.lineup(),
            started: Instant::now(),
            receipt,
            trace: CallTrace::default(),
            guards: Kept::default(),
            hold: None,
            lease: None,
            default_limits: None,
            metering: None,
            origin: None,
            forecast: Forecast::NOTHING,
            cover: Cover::default(),
            spent: None,
            requests: 1,
            permit: None,
            gateway: Arc::clone(gateway),
        }
    }

    /// Returns the time when the exchange began.
    pub(super) fn started(&self) -> tokio::time::Instant {
        self.started.into()
    }

    /// Returns the gateway's id of the request.
    pub(super) fn id(&self) -> &str {
        &self.receipt.id
    }

    /// Returns the gateway's id of the request, shared.
    pub(super) fn shared_id(&self) -> Arc<str> {
        Arc::clone(&self.receipt.id)
    }

    /// Returns the pinned configuration.
    pub(super) fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Returns the pinned lineup.
    pub(super) fn lineup(&self) -> &Arc<Lineup> {
        &self.lineup
    }

    /// Returns the time when the exchange began, in Unix milliseconds.
    pub(super) fn started_unix_ms(&self) -> u64 {
        self.receipt.started_unix_ms
    }

    /// Returns the part of the receipt about the request.
    pub(super) fn request(&mut self) -> &mut RequestFacts {
        &mut self.receipt.request
    }

    /// Keeps the permit until the exchange has ended. Returns it with the part of the receipt about the request.
    pub(super) fn keep_permit(&mut self, permit: Permit) -> (&Permit, &mut RequestFacts) {
        (&*self.permit.insert(permit), &mut self.receipt.request)
    }

    /// Returns the part of the receipt about the route.
    pub(super) fn route(&mut self) -> &mut RouteFacts {
        &mut self.receipt.route
    }

    /// Returns the owner of what this exchange creates, or `None` without a caller.
    pub(super) fn owner(&self) -> Option<String> {
        self.receipt
            .request
            .caller
            .as_ref()
            .map(|caller| caller.owner())
    }

    /// Notes the batch that the exchange is about.
    pub(super) fn note_batch(&mut self, batch: BatchNote) {
        self.receipt.usage.batch = Some(Box::new(batch));
    }

    /// Returns the status of the response, or `None` before there is one.
    pub(super) fn status(&self) -> Option<u16> {
        self.receipt.response.status
    }

    /// Notes the status of the response.
    pub(super) fn set_status(&mut self, status: u16) {
        self.receipt.response.status = Some(status);
    }

    /// Makes hook calls about a request and records them.
    ///
    /// # Errors
    ///
    /// A plugin's refusal or fault.
    pub(super) fn call<T>(
        &mut self,
        lineup: &Lineup,
        request: Arc<dyn Request>,
        call: impl FnOnce(&mut HookSession<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Refused> {
        let mut hooks = lineup.resume(request, std::mem::take(&mut self.trace));
        let returned = call(&mut hooks);
        self.trace = hooks.finish();
        returned.map_err(Refused::rejection)
    }

    /// Returns the headers that plugins add to the response.
    pub(super) fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Returns what the gateway adds to an upstream's response: the plugins' headers, the id of the request, and CORS.
    pub(super) fn answer_headers(&self) -> Additions {
        let mut headers = Headers::with_capacity_of(&[&self.headers], OWN_HEADERS);
        headers.extend(&self.headers);
        headers.push_text(REQUEST_ID, self.id());
        self.add_left(&mut headers);
        Additions {
            headers,
            cors: self.snapshot.config.cors.source(),
        }
    }

    /// Adds headers of the gateway to the response.
    pub(super) fn add_own_headers(&mut self, headers: &Headers) {
        self.headers.extend(headers);
    }

    /// Adds a plugin's header to the response.
    pub(super) fn add_header(&mut self, header: Option<(HeaderName, HeaderValue)>) {
        let ours = self.snapshot.config.cors.source() == CorsSource::Gateway;
        if let Some((name, value)) =
            header.filter(|(name, _)| !(ours && cors::is_cors_header(name.as_str())))
        {
            self.headers.push(&name, &value);
        }
    }

    /// Starts to meter a response.
    pub(super) fn meter(&mut self, metering: Metering) {
        self.metering = Some(metering);
    }

    /// Meters bytes of the response on their way to the client.
    pub(super) fn delivered(&mut self, bytes: &Bytes) {
        self.count(bytes);
        self.read(bytes);
    }

    /// Meters bytes of an upstream that may reach the client in another form.
    pub(super) fn read(&mut self, bytes: &Bytes) {
        if let Some(metering) = &mut self.metering {
            metering.feed(bytes);
        }
    }

    /// Makes durable what the metered part of the response stands for, before it goes on to the client: what it costs, and who
    /// owns the files and containers that it reports to have created.
    ///
    /// # Errors
    ///
    /// The ownership can't be recorded, or a limit ends the response here.
    pub(super) async fn keep(&mut self) -> Result<(), Unkept> {
        self.claim_made().await?;
        self.cover().await;
        match self.spent.take() {
            None => Ok(()),
            Some(refused) => Err(Unkept::Spent(refused)),
        }
    }

    /// Records the caller as owner of files and containers that this response created.
    ///
    /// # Errors
    ///
    /// The ownership can't be recorded.
    async fn claim_made(&mut self) -> Result<(), ClaimError> {
        let Some(made) = self.metering.as_mut().and_then(Metering::take_made) else {
            return Ok(());
        };
        let Some(owner) = self.owner() else {
            return Ok(());
        };
        for id in &made.containers {
            let claim = self.gateway.owners.claim(Kind::Container, id, &owner);
            claim.await?;
        }
        for id in &made.files {
            self.gateway.owners.claim(Kind::File, id, &owner).await?;
        }
        Ok(())
    }

    /// Counts bytes on their way to the client that were metered before or are the gateway's own.
    pub(super) fn count(&mut self, bytes: &Bytes) {
        if self.receipt.timing.first_byte.is_none() {
            self.receipt.timing.first_byte = Some(self.started.elapsed());
        }
        self.receipt.response.bytes += bytes.len() as u64;
    }

    /// Returns the place in the events of the response, or `None` if nothing can be inserted into it.
    pub(super) fn place(&self) -> Option<Place> {
        self.metering.as_ref()?.place()
    }

    /// Returns whether an event may be inserted into the response here.
    pub(super) fn is_between_events(&self) -> bool {
        self.metering
            .as_ref()
            .is_some_and(Metering::is_between_events)
    }

    /// Notes the reason that the response ended early.
    pub(super) fn ending(&mut self, ending: String) {
        self.receipt.response.ending = Some(ending);
    }

    /// Returns the error event that the stream contained so far, or `None`.
    pub(super) fn stream_error(&self) -> Option<&ErrorReport> {
        self.metering.as_ref()?.error()
    }

    /// Notes that a plugin could not translate the response.
    pub(super) fn note_untranslated(&mut self, failure: String) {
        if let Some(dialect) = &mut self.receipt.request.dialect {
            dialect.failure = Some(failure);
        }
    }

    /// Notes the outcome. The last call wins.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.receipt.response.outcome = Some(outcome);
    }

    /// Notes that the gateway refused the request.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.receipt.response.status = Some(refused.status);
        self.receipt.response.outcome = Some(if refused.status == 499 {
            Outcome::ClientGone
        } else {
            Outcome::Refused
        });
        self.receipt.response.refused = Some(refused);
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        self.receipt.timing.total = self.started.elapsed();
        self.note_guards();
        let skipped = std::mem::take(&mut self.trace.skipped);
        self.receipt.route.skipped.splice(0..0, skipped);
        self.settle_hold();
        self.settle_lease();
        self.gateway.metrics.closed(&self.receipt);
        let config = &self.snapshot.config.budgets;
        self.gateway.budgets.announce(&self.receipt, config);
        if [Endpoint::Hello.code(), cors::PREFLIGHT, own::CODE]
            .contains(&self.receipt.request.endpoint)
        {
            return;
        }
        self.gateway.audit.submit(Finished {
            receipt: std::mem::take(&mut self.receipt),
            lineup: Arc::clone(&self.lineup),
        });
    }
}
