//! The client of the API on the admin listener.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use pingora_core::connectors::http::Connector;
use pingora_core::prelude::Error;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use serde_json::Value;
use witgate_gateway::config::{BaseUrl, Config, Scheme};

use crate::replay::plain;

/// The environment variable with the key.
const KEY: &str = "WITGATE_ADMIN_KEY";

/// The path of the API.
const PATH: &str = "/v1/organizations/spend_limits";

/// Time for an answer.
const TIME: Duration = Duration::from_secs(30);

/// Largest answer that is read.
const MAX_ANSWER: usize = 64 << 20;

/// The client of a gateway.
pub(super) struct Client {
    base: BaseUrl,
    key: String,
}

// === impl Client ===

impl Client {
    /// Finds the gateway and the key.
    ///
    /// # Errors
    ///
    /// The configuration has no admin listener, or there is no key.
    pub(super) fn new(
        config: &Path,
        url: Option<&str>,
        key_file: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let url = match url {
            Some(url) => url.to_owned(),
            None => {
                let config =
                    Config::read(config).map_err(|problems| anyhow::anyhow!("{problems}"))?;
                let admin = config.admin.context(
                    "the configuration has no [admin] listener: add one with `address` and `keys`, or name another gateway's with --url",
                )?;
                format!("http://{}", admin.address)
            }
        };
        let base = BaseUrl::parse(&url).map_err(|error| anyhow::anyhow!("--url: {error}"))?;
        let key = match key_file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?,
            None => std::env::var(KEY).ok().with_context(|| {
                format!("there is no key: put one that `witgate key new --role` made into {KEY}, or name its file with --key-file")
            })?,
        };
        let key = key.trim().to_owned();
        ensure!(!key.is_empty(), "the key is empty");
        Ok(Self { base, key })
    }

    pub(super) fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let path = format!("{path}?{}", super::encoded(query));
        self.ask("GET", &path, None, None)
    }

    pub(super) fn post(
        &self,
        path: &str,
        body: &Value,
        version: Option<i64>,
    ) -> anyhow::Result<Value> {
        self.ask("POST", path, Some(body.to_string()), version)
    }

    pub(super) fn delete(&self, path: &str, version: Option<i64>) -> anyhow::Result<Value> {
        self.ask("DELETE", path, None, version)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        version: Option<i64>,
    ) -> anyhow::Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let asked = async {
            let asked = self.send(method, path, body, version);
            let late = || anyhow::anyhow!("the gateway did not answer within {TIME:?}");
            tokio::time::timeout(TIME, asked)
                .await
                .map_err(|_| late())?
        };
        let (status, body) = runtime.block_on(asked)?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status == 200 {
            return Ok(answer);
        }
        let message = answer.pointer("/error/message").and_then(Value::as_str);
        // Pages without an API have errors of their own.
        let message = message.or_else(|| answer.get("error")?.as_str());
        bail!(
            "the gateway answered {status}: {}",
            message.unwrap_or("without a reason; is this its admin listener?")
        )
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        version: Option<i64>,
    ) -> anyhow::Result<(u16, Vec<u8>)> {
        let base = &self.base;
        let address = tokio::net::lookup_host((base.host.as_str(), base.port))
            .await?
            .next()
            .with_context(|| format!("{} has no address", base.host))?;
        let peer = HttpPeer::new(address, base.scheme == Scheme::Https, base.host.clone());
        let lost = |error: Box<Error>| plain("connection lost", &error);
        let connected = Connector::new(None);
        let connected = connected.get_http_session(&peer).await;
        let (mut session, _) = connected.map_err(|error| {
            plain(
                &format!(
                    "no connection to the admin listener at {address}; is the gateway running"
                ),
                &error,
            )
        })?;
        let path = format!("{}{PATH}{path}", base.prefix);
        let mut head = RequestHeader::build(method, path.as_bytes(), None)?;
        head.append_header("host", base.authority())?;
        head.append_header("x-api-key", self.key.as_str())?;
        if let Some(version) = version {
            head.append_header("if-match", format!("\"{version}\""))?;
        }
        if let Some(body) = &body {
            head.append_header("content-type", "application/json")?;
            head.append_header("content-length", body.len().to_string())?;
            // A request that was sent twice by a proxy on the way counts once.
            head.append_header(
                "idempotency-key",
                format!("{:032x}", rand::random::<u128>()),
            )?;
        }
        session
            .write_request_header(Box::new(head))
            .await
            .map_err(lost)?;
        if let Some(body) = body {
            let body = body.into_bytes().into();
            session.write_request_body(body, true).await.map_err(lost)?;
        }
        session.finish_request_body().await.map_err(lost)?;
        session.read_response_header().await.map_err(lost)?;
        let head = session.response_header();
        let status = head.context("the answer has no head")?.status.as_u16();
        let mut all = Vec::new();
        while let Some(part) = session.read_response_body().await.map_err(lost)? {
            ensure!(
                all.len() + part.len() <= MAX_ANSWER,
                "the answer is too large"
            );
            all.extend_from_slice(&part);
        }
        Ok((status, all))
    }
}
