//! `witgate replay`: recorded requests, sent again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;

use super::say;
use crate::capture::{self, Captured};
use crate::config::BaseUrl;
use crate::config::upstream::Scheme;
use crate::upstream::connection::plain;

/// Arguments of `witgate replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Recorded requests: what `[capture]` writes.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where they go, for example http://127.0.0.1:8787.
    #[arg(long)]
    to: String,
    /// The variable that holds the key to send with them.
    #[arg(long, default_value = "WITGATE_KEY", value_name = "VARIABLE")]
    key_env: String,
    /// Seconds that an answer may take.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// One JSON object a request, in the place of the table.
    #[arg(long)]
    json: bool,
}

/// How a request was answered.
struct Answered {
    status: u16,
    id: Option<String>,
    bytes: u64,
    first: Duration,
    all: Duration,
}

/// Sends the requests, one after the other. Exits with 1 when one was not answered, or with an error of the server.
pub(super) fn replay(args: &Args) -> anyhow::Result<ExitCode> {
    let base = BaseUrl::parse(&args.to).map_err(|error| anyhow::anyhow!("--to: {error}"))?;
    let key = std::env::var(&args.key_env)
        .ok()
        .filter(|key| !key.is_empty());
    let mut requests = Vec::new();
    for file in &args.files {
        requests.extend(capture::read(file)?);
    }
    anyhow::ensure!(!requests.is_empty(), "there are no requests in these files");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut failed, mut answered) = (0_usize, 0_usize);
    runtime.block_on(async {
        let connector = Connector::new(None);
        for (index, captured) in requests.iter().enumerate() {
            let sent = send(&connector, &base, captured, key.as_deref());
            let limit = Duration::from_secs(args.timeout);
            let outcome = tokio::time::timeout(limit, sent)
                .await
                .unwrap_or_else(|_| Err(anyhow::anyhow!("no whole answer within {limit:?}")));
            match &outcome {
                Ok(answer) if answer.status < 500 => answered += 1,
                Ok(_) | Err(_) => failed += 1,
            }
            say(&match args.json {
                true => json(index + 1, captured, &outcome),
                false => row(index + 1, captured, &outcome),
            });
        }
    });
    if !args.json {
        say(&format!("{answered} answered, {failed} failed"));
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn send(
    connector: &Connector,
    base: &BaseUrl,
    captured: &Captured,
    key: Option<&str>,
) -> anyhow::Result<Answered> {
    let address = tokio::net::lookup_host((base.host.as_str(), base.port))
        .await?
        .next()
        .with_context(|| format!("{} has no address", base.host))?;
    let peer = HttpPeer::new(address, base.scheme == Scheme::Https, base.host.clone());
    let begun = Instant::now();
    let connected = connector.get_http_session(&peer).await;
    let (mut session, _) = connected
        .map_err(|error| anyhow::anyhow!("no connection to {address}: {}", plain(&error)))?;
    let body = captured.body();
    session
        .write_request_header(Box::new(head(base, captured, key, body.len())?))
        .await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let first = begun.elapsed();
    let (status, id) = {
        let head = session
            .response_header()
            .context("the answer has no head")?;
        let id = head
            .headers
            .get("witgate-request-id")
            .or_else(|| head.headers.get("request-id"))
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        (head.status.as_u16(), id)
    };
    let mut bytes = 0;
    while let Some(part) = session.read_response_body().await? {
        bytes += part.len() as u64;
    }
    let all = begun.elapsed();
    if let HttpSession::H1(_) = &session {
        connector.release_http_session(session, &peer, None).await;
    }
    Ok(Answered {
        status,
        id,
        bytes,
        first,
        all,
    })
}

fn head(
    base: &BaseUrl,
    captured: &Captured,
    key: Option<&str>,
    length: usize,
) -> anyhow::Result<RequestHeader> {
    let path = format!("{}{}", base.prefix, captured.path);
    let mut head = RequestHeader::build(captured.method.as_str(), path.as_bytes(), None)?;
    head.append_header("host", base.authority())?;
    for (name, value) in &captured.headers {
        if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("accept-encoding") {
            head.append_header(name.clone(), value.as_str())?;
        }
    }
    if length > 0 {
        head.append_header("content-length", length.to_string())?;
    }
    if let Some(key) = key {
        head.append_header("x-api-key", key)?;
    }
    Ok(head)
}

fn row(number: usize, captured: &Captured, outcome: &anyhow::Result<Answered>) -> String {
    let path = captured.path.split('?').next().unwrap_or_default();
    let request = format!("{number:>4}  {} {path}", captured.method);
    match outcome {
        Ok(answer) => format!(
            "{request:<36} {}  {:>9} bytes  first byte {:>6} ms  all {:>6} ms  {}",
            answer.status,
            answer.bytes,
            answer.first.as_millis(),
            answer.all.as_millis(),
            answer.id.as_deref().unwrap_or("-")
        ),
        Err(error) => format!("{request:<36} {error:#}"),
    }
}

fn json(number: usize, captured: &Captured, outcome: &anyhow::Result<Answered>) -> String {
    let mut line = serde_json::json!({
        "request": number,
        "recorded_id": captured.id,
        "method": captured.method,
        "path": captured.path,
    });
    let told = match outcome {
        Ok(answer) => serde_json::json!({
            "status": answer.status,
            "id": answer.id,
            "bytes": answer.bytes,
            "first_byte_ms": u64::try_from(answer.first.as_millis()).unwrap_or(u64::MAX),
            "all_ms": u64::try_from(answer.all.as_millis()).unwrap_or(u64::MAX),
        }),
        Err(error) => serde_json::json!({ "error": format!("{error:#}") }),
    };
    if let (Some(line), serde_json::Value::Object(told)) = (line.as_object_mut(), told) {
        line.extend(told);
    }
    line.to_string()
}
