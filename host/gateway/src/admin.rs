//! The admin listener: pages for operators and their tools, for loopback use. All but one are read-only: a session can be
//! ended. The API of limits is served here, too, to operators with keys.
//!
//! Pages ask for no key, so the listener checks where a request comes from (`access`): a web page in an operator's browser can
//! read nothing. A request under an unknown host name only learns whether the gateway is alive and ready. Connections have
//! the same limits as clients' connections; when there are too many, the least used one is closed, so that probes are always
//! answered.
//!
//! | path | content |
//! |---|---|
//! | `/healthz` | 200 while the process serves at all |
//! | `/readyz` | 200 if traffic would be served, otherwise 503 with the reasons |
//! | `/plugins` | each plugin: hash, hooks, state, last error, faults, calls, call times |
//! | `/upstreams` | each upstream: state and reason, requests in progress, requests and errors of the last minute, latency, retries left |
//! | `/budgets` | each account: used, held, limit, reset; paged with `?limit=` and `?cursor=` |
//! | `/keys` | each key: owner, end of its validity, time of its last request; paged in the same way |
//! | `/usage` | spend by any dimension, window and filter |
//! | `/sessions`, `/sessions/{id}` | each session: cost, turns, last seen; one of them with its agents. `DELETE` ends it |
//! | `/config` | the result of the last reload |
//! | `/metrics` | the same and more in OpenMetrics text |
//! | `/v1/organizations/spend_limits…` | limits: list, set, top up, reset, override, records (`spend_limits`) |

mod access;
pub(crate) mod budgets;
pub mod keyring;
mod keys;
pub(crate) mod metrics;
mod page;
mod page_query;
mod plugins;
mod sinks;
mod spend_limits;
mod status;
pub(crate) mod upstreams;
mod usage;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::Method;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::watch;
use witgate_http::{Headers, RequestHead};

use self::access::{Access, Denied};
use self::page::Page;
use self::spend_limits::{Api, WrongKeys};
use self::status::Status;
use crate::clock::now;
use crate::config::{Config, ProxyProtocol};
use crate::gateway::Gateway;
use crate::listen::session::{ConnectionState, HttpSession};
use crate::listen::{Cleartext, ConnectionHandler, ConnectionLimits, head};
use crate::server::reload::Reloader;

/// The app of the admin listener.
pub(crate) struct Admin {
    status: Arc<Status>,
    /// Metrics that are read at each scrape.
    scraped: Registry,
    /// Requests without a valid key for the API of limits.
    wrong_keys: WrongKeys,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        reloader: Arc<Reloader>,
        stopping: watch::Receiver<bool>,
        dropped_log_lines: fn() -> u64,
    ) -> Self {
        let status = Arc::new(Status {
            gateway,
            reloader,
            stopping,
            dropped_log_lines,
        });
        let mut scraped = Registry::with_prefix("witgate");
        scraped.register_collector(Box::new(Arc::clone(&status)));
        Self {
            status,
            scraped,
            wrong_keys: WrongKeys::default(),
        }
    }

    async fn answer(&self, request: &RequestHead, config: &Config) -> Page {
        let hosts = config.admin.as_ref().map_or(&[][..], |admin| &admin.hosts);
        let path = request.path_only();
        match Access::check(&request.method, &request.headers, hosts) {
            Ok(Access::Full) if request.method == Method::DELETE => self.delete(path).await,
            Ok(Access::Full) => self.page(path, request.query()).await,
            Ok(Access::ProbesOnly) => self.probe(path),
            Err(Denied::Method) => Page::read_only(),
            Err(Denied::CrossSite) => Page::error(
                403,
                "the request comes from a page of another site: open this page by its own address",
            ),
        }
    }

    /// Returns the response to a request under an unknown host name.
    fn probe(&self, path: &str) -> Page {
        match path {
            "/healthz" => Page::alive(),
            "/readyz" => match self.readiness().status {
                200 => Page::json(200, &json!({"status": "ready"})),
                status => Page::json(status, &json!({"status": "not ready"})),
            },
            _ => Page::error(
                421,
                "unknown host name: use an IP address or localhost, or list the name in [admin] hosts",
            ),
        }
    }

    async fn page(&self, path: &str, query: Option<&str>) -> Page {
        if let Some(id) = path.strip_prefix("/sessions/") {
            return usage::session_of(&self.status.gateway, id).await;
        }
        match path {
            "/healthz" => Page::alive(),
            "/readyz" => self.readiness(),
            "/plugins" => Page::json(
                200,
                &json!({"plugins": self.status.gateway.policies.status()}),
            ),
            "/upstreams" => self.upstreams(),
            "/budgets" => self.budgets(query),
            "/keys" => self.keys(query).await,
            "/usage" => usage::page(&self.status.gateway, query).await,
            "/sessions" => usage::sessions(&self.status.gateway, query).await,
            "/config" => Page::json(200, &json!(self.status.reloader.status())),
            "/metrics" => self.metrics(),
            _ => Page::json(
                404,
                &json!({"error": "no such page", "pages": [
                    "/healthz", "/readyz", "/plugins", "/upstreams", "/budgets", "/keys", "/usage", "/sessions",
                    "/config", "/metrics",
                ]}),
            ),
        }
    }

    /// Ends the session that a path names.
    async fn delete(&self, path: &str) -> Page {
        match path.strip_prefix("/sessions/") {
            Some(id) => usage::end(&self.status.gateway, id).await,
            None => Page::read_only(),
        }
    }

    fn readiness(&self) -> Page {
        let reasons = self.status.not_ready();
        if reasons.is_empty() {
            Page::json(200, &json!({"status": "ready"}))
        } else {
            Page::json(503, &json!({"status": "not ready", "reasons": reasons}))
        }
    }

    /// Returns the metrics in OpenMetrics text: those of the request path, then those read now.
    fn metrics(&self) -> Page {
        let mut body = String::new();
        // Writing to a string cannot fail, and no metric of ours fails to encode.
        let _ = self.status.gateway.metrics.encode(&mut body);
        let _ = encode(&mut body, &self.scraped);
        Page {
            status: 200,
            content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
            body,
            headers: Vec::new(),
        }
    }

    fn upstreams(&self) -> Page {
        let snapshot = self.status.gateway.snapshot();
        Page::json(
            200,
            &upstreams::page(&snapshot.upstreams, &snapshot.capacities, Instant::now()),
        )
    }

    fn budgets(&self, query: Option<&str>) -> Page {
        let gateway = &self.status.gateway;
        let live = &gateway.budgets.live;
        Page::of(budgets::page(&gateway.ledger, live, query, now()))
    }

    async fn keys(&self, query: Option<&str>) -> Page {
        Page::of(keys::page(&self.status.gateway, query, now()).await)
    }
}

impl ConnectionHandler for Admin {
    async fn serve(
        self: &Arc<Self>,
        session: &mut HttpSession,
        stop: &watch::Receiver<bool>,
    ) -> ConnectionState {
        let config = Arc::clone(&self.status.gateway.snapshot().config);
        let mut stopping = stop.clone();
        let graceful_close = self.status.gateway.graceful_close(&mut stopping);
        if !head::read(
            session,
            &config.limits,
            |_| Headers::default(),
            graceful_close,
        )
        .await
        {
            head::close(session).await;
            return ConnectionState::Closed;
        }
        let page = if spend_limits::is_below(session.request().path_only()) {
            let api = Api {
                gateway: &self.status.gateway,
                wrong_keys: &self.wrong_keys,
            };
            api.answer(session, &config).await
        } else {
            self.answer(session.request(), &config).await
        };
        // No page takes a body, so what follows such a head is not read, and a connection on which more may come is not used again.
        if *stop.borrow() || !session.is_body_empty() {
            session.close_afterwards();
        }
        match page.write(session).await {
            Ok(()) => session.finish().await,
            Err(_) => ConnectionState::Closed,
        }
    }

    async fn graceful_close(&self, stop: &mut watch::Receiver<bool>) {
        self.status.gateway.graceful_close(stop).await;
    }

    fn connection_limits(&self, _peer: IpAddr) -> ConnectionLimits {
        let snapshot = self.status.gateway.snapshot();
        let limits = &snapshot.config.limits;
        ConnectionLimits {
            proxy: ProxyProtocol::Absent,
            tls: None,
            cleartext: Cleartext::Http1,
            head_timeout: limits.head_timeout,
            write_timeout: limits.write_timeout,
            head_bytes: u32::MAX,
            streams: 1,
        }
    }
}
