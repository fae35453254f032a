//! The gateway: all that its exchanges share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora_core::ErrorType;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use tokio::time::timeout;
use witgate_audit::Audit;
use witgate_ledger::Ledger;
use witgate_runtime::{Lineup, Policies};

use crate::answer::{self, Answer};
use crate::exchange::settle::Finished;
use crate::exchange::{self, Downstream};
use crate::live::Live;
use crate::metrics::Metrics;
use crate::refused::Refused;
use crate::serve::stopped;

/// What the exchanges share. Everything in it may be used by any number of them at once.
pub(crate) struct Gateway {
    live: ArcSwap<Live>,
    pub(crate) policies: Policies,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) audit: Audit<Finished>,
    pub(crate) metrics: Metrics,
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn new(live: Live, policies: Policies, audit: Audit<Finished>) -> Self {
        Self {
            live: ArcSwap::from_pointee(live),
            policies,
            ledger: Ledger::new(),
            audit,
            metrics: Metrics::new(),
        }
    }

    /// The configuration that a new exchange pins.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Replaces it for the exchanges to come.
    pub(crate) fn replace(&self, live: Live) {
        self.live.store(Arc::new(live));
    }

    /// The lineup that a new exchange pins.
    pub(crate) fn lineup(&self) -> Arc<Lineup> {
        self.policies.current()
    }
}

#[async_trait]
impl HttpServerApp for Gateway {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !read_head(self, &mut session, shutdown).await {
            session.shutdown().await;
            return None;
        }
        // A client that goes away is noticed by reading on, and what is read on may be its next request.
        session.set_pipelining_enabled(true);
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }

        // The exchange's state is large; on the heap it does not weigh on every connection that waits.
        match Box::pin(exchange::serve(self, &mut session)).await {
            Downstream::Complete => {
                if *shutdown.borrow() {
                    session.set_keepalive(None);
                }
                let settings = HttpPersistentSettings::for_session(&session);
                let stream = session.finish().await.ok().flatten()?;
                Some(ReusedHttpStream::from_reusable_stream(stream, settings))
            }
            Downstream::Broken => {
                session.shutdown().await;
                None
            }
        }
    }
}

/// Waits for a request and reads its head. Says whether there is one to serve.
async fn read_head(
    gateway: &Gateway,
    session: &mut ServerSession,
    shutdown: &ShutdownWatch,
) -> bool {
    let (head_timeout, body_timeout) = {
        let live = gateway.live();
        (
            live.config.limits.head_timeout,
            live.config.limits.body_timeout,
        )
    };
    session.set_read_timeout(Some(body_timeout));
    // Kept alive without a limit of the HTTP layer's: the one below is for the whole head, however slowly it comes.
    session.set_keepalive(Some(0));
    let mut stop = shutdown.clone();
    let read = tokio::select! {
        biased;
        read = timeout(head_timeout, session.read_request()) => read,
        // Nothing has been asked yet on this connection: it can be closed without anybody missing an answer.
        () = stopped(&mut stop) => return false,
    };
    match read {
        Ok(Ok(found)) => found,
        Ok(Err(error)) if *error.etype() == ErrorType::InvalidHTTPHeader => {
            let refused =
                Refused::client(400, "the request is not HTTP that this gateway can read");
            let answer = Answer::Error {
                refused: &refused,
                id: "",
                headers: &[],
            };
            // It is closed either way.
            let _ = answer::write(session, answer).await;
            false
        }
        Ok(Err(_)) | Err(_) => false,
    }
}
