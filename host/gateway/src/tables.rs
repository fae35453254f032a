//! Tables of plugins from URLs: the gateway fetches what a sidecar names.
//!
//! A URL is asked over a connection like any upstream's: certificates are verified, and addresses race. Redirects are not
//! followed, so nothing but the URL in the sidecar is asked, and nothing else gets its headers. A body is not read beyond the
//! table's limit.

mod answer;
pub(crate) mod place;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, USER_AGENT,
};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use witgate_runtime::{Fetch, FetchRequest, Fetched};
use witgate_upstream::{
    Admission, Departure, Framing, Headers, Limit, Request, RequestError, Upstream, Upstreams,
    system_resolver,
};

use self::answer::Version;
use self::place::Place;

/// The maximum number of servers whose connections are kept.
const MAX_SERVERS: usize = 64;

/// The gateway's fetcher. It has a tokio runtime of its own, made at the first fetch, because tables are read by threads of
/// their own, in tools as well.
#[derive(Default)]
pub(crate) struct TableFetcher {
    /// The servers by origin and CA file.
    servers: Mutex<HashMap<String, Upstreams>>,
    runtime: Mutex<Option<Runtime>>,
}

// === impl TableFetcher ===

impl Fetch for TableFetcher {
    fn check(&self, request: &FetchRequest<'_>) -> Result<(), String> {
        Place::parse(request.url)?;
        place::check_headers(request.headers)
    }

    fn fetch(&self, request: &FetchRequest<'_>) -> Result<Fetched, String> {
        let place = Place::parse(request.url)?;
        self.handle()?.block_on(async {
            let server = self.server(&place, request)?;
            let limit = request.timeout;
            let fetched = timeout(limit, Box::pin(get(&server, &place, request))).await;
            fetched.unwrap_or_else(|_| Err(late(limit)))
        })
    }
}

impl TableFetcher {
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
            .map_err(|error| format!("the thread that fetches it can't start: {error}"))?;
        Ok(runtime.insert(started).handle().clone())
    }

    /// Returns the server of a place, with the connections of earlier fetches.
    fn server(&self, place: &Place, request: &FetchRequest<'_>) -> Result<Arc<Upstream>, String> {
        let config = place.server(request.timeout, request.ca_file);
        let ca = request.ca_file.map(|file| file.display().to_string());
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

impl Drop for TableFetcher {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which async code must not do.
        if let Some(runtime) = self.runtime.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for TableFetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableFetcher").finish_non_exhaustive()
    }
}

/// Sends the request and reads the answer.
async fn get(
    server: &Arc<Upstream>,
    place: &Place,
    request: &FetchRequest<'_>,
) -> Result<Fetched, String> {
    let message = Request {
        method: &Method::GET,
        path: &place.path,
        headers: headers(request)?,
        framing: Framing::None,
        body: &[],
    };
    // A table is not an upstream: neither a breaker nor statistics learn from it, as from health checks.
    let mut attempt = server
        .attempt(Admission::HealthCheck)
        .map_err(|closed| closed.to_string())?;
    let limit = Limit::of_upstream(request.timeout);
    let sent = attempt.send(&message, limit, &Departure::default()).await;
    let mut response = sent.map_err(|error| describe(&error, request.timeout))?;
    let fetched = answer::read(&mut response, request).await?;
    if response.is_done() {
        attempt.release(response).await;
    }
    Ok(fetched)
}

fn headers(request: &FetchRequest<'_>) -> Result<Headers, String> {
    let mut headers = Headers::with_capacity(request.headers.len() + 5);
    for (name, value) in place::headers(request.headers)? {
        headers.push_own(&name, value);
    }
    headers.push_own(&ACCEPT, HeaderValue::from_static("*/*"));
    headers.push_own(&ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.push_own(&USER_AGENT, HeaderValue::from_static("witgate-tables"));
    let version = request.version.map(Version::parse).unwrap_or_default();
    for (name, value) in [
        (IF_NONE_MATCH, version.tag),
        (IF_MODIFIED_SINCE, version.modified),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.push_own(&name, value);
        }
    }
    Ok(headers)
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
        // The reason has bytes of the answer in it.
        RequestError::Malformed { .. } => "the answer is not HTTP".to_owned(),
        RequestError::Unsendable { reason, .. } => format!("the request can't be sent: {reason}"),
    }
}
