//! Requests that the gateway makes on its own, to servers that are no upstreams.
//!
//! A URL is asked over a connection like any upstream's: certificates are verified, and addresses race. Redirects are not
//! followed, so nothing but the URL is asked, and nothing else gets its headers.

mod place;

pub(crate) use place::{Place, check_headers, headers};

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use witgate_http::Headers;
use witgate_upstream::{
    Admission, Departure, Framing, HeadersOf, Limit, Request, RequestError, Response, Upstream,
    Upstreams, system_resolver,
};

/// The maximum number of servers whose connections are kept.
const MAX_SERVERS: usize = 64;

/// The bytes of an answer that are read so that its connection can be used again.
const MAX_IGNORED: usize = 64 * 1024;

/// The requests that the gateway makes on its own. They have a tokio runtime of their own, made at the first one, because they
/// are made by threads that block, in tools as well.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// The servers by origin and CA file.
    servers: Mutex<HashMap<String, Upstreams>>,
    runtime: Mutex<Option<Runtime>>,
}

/// The means by which a server is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means<'a> {
    /// The file with the only authorities that are trusted, or `None` for the usual ones.
    pub(crate) ca_file: Option<&'a Path>,
    pub(crate) timeout: Duration,
}

// === impl Outgoing ===

impl Outgoing {
    /// Runs a request to its end. Blocks.
    ///
    /// # Errors
    ///
    /// The error of the request, or it takes longer than it may.
    pub(crate) fn run<T>(
        &self,
        limit: Duration,
        request: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        self.handle()?.block_on(async {
            let done = timeout(limit, Box::pin(request)).await;
            done.unwrap_or_else(|_| Err(late(limit)))
        })
    }

    /// Posts a body, and returns the status of the answer. Blocks.
    ///
    /// # Errors
    ///
    /// There is no answer. The text has no header of the request and no byte of the answer in it.
    pub(crate) fn post(
        &self,
        place: &Place,
        means: Means<'_>,
        headers: Headers,
        body: &Bytes,
    ) -> Result<u16, String> {
        self.run(means.timeout, async {
            let server = self.server(place, means)?;
            let message = Request {
                method: &Method::POST,
                path: &place.path,
                headers,
                headers_of: HeadersOf::Gateway,
                framing: Framing::Length(body.len() as u64),
                body: std::slice::from_ref(body),
            };
            exchange(&server, &message, means.timeout, async |response| {
                let mut ignored = 0;
                while ignored < MAX_IGNORED {
                    match response.read().await {
                        Ok(Some(part)) => ignored += part.len(),
                        // The status says what there is to know.
                        Ok(None) | Err(_) => break,
                    }
                }
                Ok(response.status())
            })
            .await
        })
    }

    fn handle(&self) -> Result<Handle, String> {
        let mut runtime = self.runtime.lock();
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle().clone());
        }
        let started = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("witgate-fetch")
            .enable_all()
            .build()
            .map_err(|error| format!("the thread for it can't start: {error}"))?;
        Ok(runtime.insert(started).handle().clone())
    }

    /// Returns the server of a place, with the connections of earlier requests.
    ///
    /// # Errors
    ///
    /// The CA file can't be used.
    pub(crate) fn server(&self, place: &Place, means: Means<'_>) -> Result<Arc<Upstream>, String> {
        let config = place.server(means.timeout, means.ca_file);
        let ca = means.ca_file.map(|file| file.display().to_string());
        let key = format!("{} {}", place.origin(), ca.unwrap_or_default());
        let mut servers = self.servers.lock();
        let kept = servers.get(&key);
        let name = config.name.clone();
        let server = Upstreams::try_new(&[config], &[], &name, &system_resolver(), kept)?;
        let found = server.get(&name).cloned();
        if servers.len() >= MAX_SERVERS && !servers.contains_key(&key) {
            servers.clear();
        }
        servers.insert(key, server);
        found.ok_or_else(|| "it has no server".to_owned())
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which async code must not do.
        if let Some(runtime) = self.runtime.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

/// Sends a request and reads its answer.
///
/// # Errors
///
/// There is no answer, or what `read` returns.
pub(crate) async fn exchange<T>(
    server: &Arc<Upstream>,
    message: &Request<'_>,
    limit: Duration,
    read: impl AsyncFnOnce(&mut Response) -> Result<T, String>,
) -> Result<T, String> {
    // Such a server is no upstream: neither a breaker nor statistics learn from it, as from health checks.
    let mut attempt = server
        .attempt(Admission::HealthCheck)
        .map_err(|closed| closed.to_string())?;
    let limited = Limit::of_upstream(limit);
    let sent = attempt.send(message, limited, &Departure::default()).await;
    let mut response = sent.map_err(|error| describe(&error, limit))?;
    let read = read(&mut response).await?;
    if response.is_done() {
        attempt.release(response);
    }
    Ok(read)
}

fn late(limit: Duration) -> String {
    format!("no complete answer within {} ms", limit.as_millis())
}

/// Describes a request without an answer. The text never has a header of the request in it.
pub(crate) fn describe(error: &RequestError, limit: Duration) -> String {
    match error {
        RequestError::Connect { reason, .. } => format!("no connection: {reason}"),
        RequestError::Broken { reason, .. } => {
            format!("the connection was closed before an answer: {reason}")
        }
        RequestError::Timeout { .. } => late(limit),
        RequestError::Malformed { .. } => "the answer is not HTTP".to_owned(),
        RequestError::Exhausted { .. } => "its credentials have reached their limits".to_owned(),
        RequestError::Unsendable { reason, .. } | RequestError::NoCredential { reason, .. } => {
            format!("the request can't be sent: {reason}")
        }
        RequestError::Unfit { unfit, .. } => format!("the request can't be sent: {unfit}"),
    }
}
