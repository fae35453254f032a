//! `witgate replay`: sends recorded requests again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use pingora_core::connectors::http::Connector;
use pingora_core::prelude::{Error, ErrorType};
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use witgate_gateway::capture::{self, Captured};
use witgate_gateway::config::{BaseUrl, Scheme};

use crate::output::{exit_code, print, print_error};

/// Arguments of `witgate replay`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of recorded requests, as `[capture]` writes them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Base URL to send the requests to, for example http://127.0.0.1:8787.
    #[arg(long)]
    to: String,
    /// Environment variable that holds the key to send.
    #[arg(long, default_value = "WITGATE_KEY", value_name = "VARIABLE")]
    key_env: String,
    /// Timeout of each response in seconds.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
    /// Print a JSON object for each request instead of the table.
    #[arg(long)]
    json: bool,
}

/// A response to a request.
struct Answered {
    status: u16,
    id: Option<String>,
    bytes: u64,
    first: Duration,
    all: Duration,
    /// Message of an error in the API's shape.
    reason: Option<String>,
}

/// The number of requests for each result.
#[derive(Debug, Default)]
struct Counts {
    by_status: BTreeMap<u16, usize>,
    unanswered: usize,
}

/// Status of a request whose key is not accepted.
const UNAUTHORIZED: u16 = 401;

/// Maximum size of an error body that is parsed.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Maximum number of characters of an error message that are shown.
const MAX_REASON_CHARS: usize = 300;

/// Sends the requests one after another. Returns `FAILURE` if one got no response or a server error, or if the key was refused
/// for all of them.
pub(super) fn replay(args: &Args) -> anyhow::Result<ExitCode> {
    let base = BaseUrl::parse(&args.to).map_err(|error| anyhow::anyhow!("--to: {error}"))?;
    let key = std::env::var(&args.key_env)
        .ok()
        .filter(|key| !key.is_empty());
    let mut requests = Vec::new();
    for file in &args.files {
        requests.extend(capture::read(file)?);
    }
    anyhow::ensure!(!requests.is_empty(), "the files contain no requests");
    if key.is_none() {
        print_error(&format!(
            "{} is not set: sending the requests without a key, because recorded requests contain none",
            args.key_env
        ));
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut counts = Counts::default();
    runtime.block_on(async {
        let connector = Connector::new(None);
        for (index, captured) in requests.iter().enumerate() {
            let sent = send(&connector, &base, captured, key.as_deref());
            let limit = Duration::from_secs(args.timeout);
            let outcome = tokio::time::timeout(limit, sent)
                .await
                .unwrap_or_else(|_| Err(anyhow::anyhow!("no complete response within {limit:?}")));
            counts.add(&outcome);
            print(&match args.json {
                true => json(index + 1, captured, &outcome),
                false => row(index + 1, captured, &outcome),
            });
        }
    });
    if !args.json {
        print(&counts.text());
    }
    let locked_out = counts.locked_out();
    if locked_out {
        print_error(&format!(
            "the key was refused each time (401): set a valid key for {} in {}",
            args.to, args.key_env
        ));
    }
    Ok(exit_code(counts.failed() == 0 && !locked_out))
}

// === impl Counts ===

impl Counts {
    fn add(&mut self, outcome: &anyhow::Result<Answered>) {
        match outcome {
            Ok(answer) => *self.by_status.entry(answer.status).or_default() += 1,
            Err(_) => self.unanswered += 1,
        }
    }

    /// Returns the number of requests without a response or with a server error.
    fn failed(&self) -> usize {
        let errors = self.by_status.iter().filter(|(status, _)| **status >= 500);
        self.unanswered + errors.map(|(_, count)| count).sum::<usize>()
    }

    /// Returns whether every request was refused because of its key.
    fn locked_out(&self) -> bool {
        self.unanswered == 0 && self.by_status.keys().all(|status| *status == UNAUTHORIZED)
    }

    fn text(&self) -> String {
        let all = self.by_status.values().sum::<usize>() + self.unanswered;
        let mut parts: Vec<_> = self
            .by_status
            .iter()
            .map(|(status, count)| format!("{count} x {status}"))
            .collect();
        if self.unanswered > 0 {
            parts.push(format!("{} without a response", self.unanswered));
        }
        let failed = self.failed();
        format!(
            "by status: {}\n{} answered, {failed} failed",
            parts.join(", "),
            all - failed
        )
    }
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
    let (mut session, _) =
        connected.map_err(|error| plain(&format!("no connection to {address}"), &error))?;
    let broke_off = |error: Box<Error>| plain("connection lost", &error);
    let body = captured.body();
    session
        .write_request_header(Box::new(head(base, captured, key, body.len())?))
        .await
        .map_err(broke_off)?;
    if !body.is_empty() {
        session
            .write_request_body(body, true)
            .await
            .map_err(broke_off)?;
    }
    session.finish_request_body().await.map_err(broke_off)?;
    session.read_response_header().await.map_err(broke_off)?;
    let first = begun.elapsed();
    let (status, id) = {
        let head = session
            .response_header()
            .context("the response has no head")?;
        let id = head
            .headers
            .get("witgate-request-id")
            .or_else(|| head.headers.get("request-id"))
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        (head.status.as_u16(), id)
    };
    let mut bytes = 0;
    let mut error = Vec::new();
    while let Some(part) = session.read_response_body().await.map_err(broke_off)? {
        bytes += part.len() as u64;
        if status >= 400 && error.len() + part.len() <= MAX_ERROR_BYTES {
            error.extend_from_slice(&part);
        }
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
        reason: reason(&error),
    })
}

/// Returns the message of an error in the API's shape.
fn reason(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = body.pointer("/error/message")?.as_str()?;
    Some(message.escape_debug().take(MAX_REASON_CHARS).collect())
}

/// Returns an error in plain words: the HTTP layer's own text is meant for logs.
pub(crate) fn plain(what: &str, error: &Error) -> anyhow::Error {
    let why = match error.root_etype() {
        ErrorType::ConnectRefused => "refused".to_owned(),
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => "timed out".to_owned(),
        ErrorType::ConnectNoRoute => "no route to host".to_owned(),
        ErrorType::ConnectionClosed => "closed by the other side".to_owned(),
        ErrorType::InvalidCert => "invalid certificate".to_owned(),
        other => match error.root_cause().downcast_ref::<std::io::Error>() {
            Some(cause) => cause.to_string(),
            None => other.as_str().to_owned(),
        },
    };
    anyhow::anyhow!("{what}: {why}")
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
        if !name.eq_ignore_ascii_case("host")
            && !name.eq_ignore_ascii_case("accept-encoding")
            && !capture::is_blank(name, value)
        {
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
        Ok(answer) => {
            let row = format!(
                "{request:<36} {}  {:>9} bytes  first byte {:>6} ms  all {:>6} ms  {}",
                answer.status,
                answer.bytes,
                answer.first.as_millis(),
                answer.all.as_millis(),
                answer.id.as_deref().unwrap_or("-")
            );
            match &answer.reason {
                Some(reason) => format!("{row}\n      {reason}"),
                None => row,
            }
        }
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
            "reason": answer.reason,
        }),
        Err(error) => serde_json::json!({ "error": format!("{error:#}") }),
    };
    if let (Some(line), serde_json::Value::Object(told)) = (line.as_object_mut(), told) {
        line.extend(told);
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(statuses: &[(u16, usize)], unanswered: usize) -> Counts {
        Counts {
            by_status: statuses.iter().copied().collect(),
            unanswered,
        }
    }

    #[test]
    fn answers_are_counted_by_status_and_failures_are_those_of_the_server() {
        let counts = counts(&[(200, 5), (401, 2), (503, 1)], 3);
        assert_eq!(
            counts.text(),
            "by status: 5 x 200, 2 x 401, 1 x 503, 3 without a response\n7 answered, 4 failed"
        );
        assert!(!counts.locked_out(), "some were let in");
    }

    #[test]
    fn an_error_in_the_apis_shape_is_shown_with_its_message_and_no_control_character() {
        let body = br#"{"type":"error","error":{"type":"x","message":"no \u001b[31mversion"}}"#;
        let shown = reason(body).expect("a message");
        assert_eq!(shown, "no \\u{1b}[31mversion");
        assert_eq!(reason(b"<html>"), None, "another shape has none");
    }

    #[test]
    fn a_key_that_opens_for_nothing_is_a_failure_although_all_is_answered() {
        let refused = counts(&[(401, 4576)], 0);
        assert_eq!((refused.failed(), refused.locked_out()), (0, true));
        assert!(!counts(&[(200, 1)], 0).locked_out(), "one that opens");
    }

    #[test]
    fn a_connection_that_is_refused_is_told_in_a_few_words() {
        let inner = Error::explain(ErrorType::ConnectRefused, "Fail to connect to addr: …");
        let error = Error::because(ErrorType::ConnectRefused, "", inner);
        assert_eq!(
            plain("no connection to 127.0.0.1:1", &error).to_string(),
            "no connection to 127.0.0.1:1: refused"
        );
    }
}
