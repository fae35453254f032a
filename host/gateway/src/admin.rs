//! The admin listener: what operators and their machines look at. Read-only, and for loopback.
//!
//! It asks nobody for a key, so it looks at who asks (`visitor`): a web page in an operator's browser reads nothing. Whoever
//! asks by an unknown name learns whether the gateway is alive and ready, and no more. Its connections have the limits of
//! clients' connections, and the oldest gives way to one too many: probes are answered whatever others hold.
//!
//! | path | what it says |
//! |---|---|
//! | `/healthz` | 200 as long as the process serves at all |
//! | `/readyz` | 200 when traffic would be served, 503 with the reasons otherwise |
//! | `/plugins` | each plugin: hash, hooks, state, last error, faults, calls, call times |
//! | `/upstreams` | each upstream: state and why, requests at it now, requests and errors of the last minute, time to answer, retries left |
//! | `/budgets` | each account: used, held, limit, reset; page by page with `?limit=` and `?cursor=` |
//! | `/config` | how the last reload went |
//! | `/metrics` | the same and more in OpenMetrics text |

pub(crate) mod budgets;
pub(crate) mod metrics;
pub(crate) mod plugin_metrics;
pub(crate) mod upstreams;
mod visitor;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use pingora_core::apps::{HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::{RequestHeader, ResponseHeader};
use serde_json::{Value, json};
use tokio::sync::watch;
use witgate_audit::Health;

use self::visitor::{Barred, Visitor};
use crate::admin::metrics::Sample;
use crate::clock::now;
use crate::config::{Config, ProxyProtocol};
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::listen::{Cleartext, Entrance, Terms, head};
use crate::server::reload::Reloader;

/// Pages about a gateway.
pub(crate) struct Admin {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    /// True from the moment that the gateway stops.
    stopping: watch::Receiver<bool>,
    /// The program's count of log lines that it dropped.
    dropped_log_lines: fn() -> u64,
}

/// An answer of the admin listener.
struct Page {
    status: u16,
    content_type: &'static str,
    body: String,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        reloader: Arc<Reloader>,
        stopping: watch::Receiver<bool>,
        dropped_log_lines: fn() -> u64,
    ) -> Self {
        Self {
            gateway,
            reloader,
            stopping,
            dropped_log_lines,
        }
    }

    /// The answer to whoever asks.
    fn answer(&self, request: &RequestHeader, config: &Config) -> Page {
        let hosts = config.admin.as_ref().map_or(&[][..], |admin| &admin.hosts);
        let path = request.uri.path();
        match Visitor::look(&request.method, &request.headers, hosts) {
            Ok(Visitor::Known) => self.page(path, request.uri.query()),
            Ok(Visitor::Stranger) => self.probe(path),
            Err(Barred::Method) => Page::error(405, "the admin pages are read with GET or HEAD"),
            Err(Barred::Site) => Page::error(
                403,
                "a page of another site asked for this one: open it by its own address",
            ),
        }
    }

    /// What those learn who ask by an unknown name.
    fn probe(&self, path: &str) -> Page {
        match path {
            "/healthz" => Page::alive(),
            "/readyz" => match self.readiness().status {
                200 => Page::json(200, &json!({"status": "ready"})),
                status => Page::json(status, &json!({"status": "not ready"})),
            },
            _ => Page::error(
                421,
                "this host is not known to the admin pages: ask by address or as localhost, or list the name in [admin] hosts",
            ),
        }
    }

    fn page(&self, path: &str, query: Option<&str>) -> Page {
        match path {
            "/healthz" => Page::alive(),
            "/readyz" => self.readiness(),
            "/plugins" => Page::json(200, &json!({"plugins": self.gateway.policies.status()})),
            "/upstreams" => self.upstreams(),
            "/budgets" => self.budgets(query),
            "/config" => Page::json(200, &json!(self.reloader.status())),
            "/metrics" => Page {
                status: 200,
                content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body: self.gateway.metrics.page(&self.samples()),
            },
            _ => Page::json(
                404,
                &json!({"error": "no such page", "pages": [
                    "/healthz", "/readyz", "/plugins", "/upstreams", "/budgets", "/config", "/metrics",
                ]}),
            ),
        }
    }

    fn readiness(&self) -> Page {
        let mut reasons = Vec::new();
        if *self.stopping.borrow() {
            reasons.push("the gateway is stopping".to_owned());
        }
        for name in self.gateway.lineup().missing() {
            reasons.push(format!("the required plugin `{name}` is not there"));
        }
        if let Health::Failing { error, .. } = self.gateway.audit.health() {
            reasons.push(format!("receipts can't be written: {error}"));
        }
        let state = self.gateway.state.as_ref();
        if let Some(trouble) = state.and_then(|state| state.trouble()) {
            reasons.push(trouble.to_string());
        }
        if reasons.is_empty() {
            Page::json(200, &json!({"status": "ready"}))
        } else {
            Page::json(503, &json!({"status": "not ready", "reasons": reasons}))
        }
    }

    fn upstreams(&self) -> Page {
        let snapshot = self.gateway.snapshot();
        Page::json(200, &upstreams::page(&snapshot.upstreams, Instant::now()))
    }

    fn budgets(&self, query: Option<&str>) -> Page {
        match budgets::page(&self.gateway.ledger, query, now()) {
            Ok(page) => Page::json(200, &page),
            Err(problem) => Page::json(400, &json!({"error": problem})),
        }
    }

    /// The states on the metrics page, samples of one name together.
    fn samples(&self) -> Vec<Sample> {
        let plain = |name, value| Sample {
            name,
            labels: Vec::new(),
            value,
        };
        let (audit, refusals) = self.gateway.audit.stats();
        let totals = self.gateway.ledger.totals();
        let lineup = self.gateway.lineup();
        let mut samples = vec![
            plain("ready", i128::from(self.readiness().status == 200)),
            plain(
                "config_reload_failed",
                i128::from(self.reloader.status().last_error.is_some()),
            ),
            plain("lineup_generation", i128::from(lineup.generation())),
            plain("required_plugins_missing", lineup.missing().len() as i128),
            plain("receipts_written", i128::from(audit.written)),
            plain("receipts_queued", audit.queued as i128),
            plain("receipts_queued_bytes", audit.queued_bytes as i128),
            plain("receipts_inline", i128::from(audit.inline_writes)),
            plain("receipts_backlog_bytes", audit.backlog_bytes as i128),
            plain("receipts_lost", i128::from(audit.lost)),
            plain("receipts_refused_written", i128::from(refusals.written)),
            plain("receipts_refused_lost", i128::from(refusals.lost)),
            plain(
                "receipts_left_out",
                i128::from(self.gateway.audit.left_out()),
            ),
            plain("holds_open", i128::from(totals.open_holds)),
            plain("ledger_balances", totals.balances as i128),
            plain("ledger_accounts", totals.bounds.accounts as i128),
            plain("ledger_turned_away", i128::from(totals.turned_away)),
            plain("log_lines_dropped", i128::from((self.dropped_log_lines)())),
        ];
        let snapshot = self.gateway.snapshot();
        let (taken, limit) = self.gateway.policies.runtime().memory();
        samples.extend(pressure_samples(&snapshot));
        samples.push(plain("plugin_memory_bytes", taken as i128));
        samples.push(plain("plugin_memory_limit_bytes", limit as i128));
        if let Some(capture) = &snapshot.capture {
            let counts = capture.counts();
            samples.extend(
                [
                    ("captured", &counts.written),
                    ("capture_full", &counts.full),
                    ("capture_passed_over", &counts.passed_over),
                ]
                .map(|(name, count)| plain(name, i128::from(count.load(Relaxed)))),
            );
        }
        samples.extend(upstreams::samples(&snapshot.upstreams, Instant::now()));
        samples.extend(plugin_metrics::samples(&self.gateway.policies.status()));
        samples
    }
}

#[async_trait]
impl HttpServerApp for Admin {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let config = Arc::clone(&self.gateway.snapshot().config);
        let mut stop = shutdown.clone();
        let last_call = self.gateway.last_call(&mut stop);
        if !head::read(&mut session, &config.limits, |_| Vec::new(), last_call).await {
            head::close(session).await;
            return None;
        }
        let page = self.answer(session.req_header(), &config);
        // Nothing here takes a body: what comes behind such a head is not read.
        if *shutdown.borrow() || !session.is_body_empty() {
            session.set_keepalive(None);
        }
        page.write(&mut session).await.ok()?;
        head::reuse(session).await
    }
}

impl Entrance for Admin {
    async fn last_call(&self, stop: &mut watch::Receiver<bool>) {
        self.gateway.last_call(stop).await;
    }

    fn terms(&self, _peer: IpAddr) -> Terms {
        let snapshot = self.gateway.snapshot();
        let limits = &snapshot.config.limits;
        Terms {
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

/// What is under way, what may be, and what was refused for it.
fn pressure_samples(snapshot: &Snapshot) -> Vec<Sample> {
    let plain = |name, value: u64| Sample {
        name,
        labels: Vec::new(),
        value: i128::from(value),
    };
    let sum = snapshot.pressure.sum();
    let memory = snapshot.config.limits.memory;
    let mut samples = vec![
        plain("request_memory_bytes", sum.bytes),
        plain("request_memory_limit_bytes", memory.bytes),
        plain("request_memory_limit_bytes_per_key", memory.per_key),
        plain("in_flight", sum.exchanges),
    ];
    samples.extend(snapshot.pressure.refusals().map(|(kind, count)| Sample {
        labels: vec![("kind", kind.to_owned())],
        ..plain("shed", count)
    }));
    samples
}

// === impl Page ===

impl Page {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: format!("{body:#}\n"),
        }
    }

    fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"error": message}))
    }

    fn alive() -> Self {
        Self::json(200, &json!({"status": "alive"}))
    }

    /// Writes the page, of which a browser keeps nothing and shows nothing to another site.
    async fn write(self, session: &mut ServerSession) -> pingora_core::Result<()> {
        let mut head = ResponseHeader::build(self.status, Some(8))?;
        head.append_header("Content-Type", self.content_type)?;
        head.append_header("Content-Length", self.body.len().to_string())?;
        head.append_header("Cache-Control", "no-store")?;
        head.append_header("X-Content-Type-Options", "nosniff")?;
        head.append_header("Cross-Origin-Resource-Policy", "same-origin")?;
        if self.status == 405 {
            head.append_header("Allow", "GET, HEAD")?;
        }
        let body = match session.req_header().method {
            Method::HEAD => Bytes::new(),
            _ => Bytes::from(self.body),
        };
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(body, true).await
    }
}
