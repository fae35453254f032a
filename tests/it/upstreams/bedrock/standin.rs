//! A stand-in for Amazon Bedrock that refuses what Bedrock is known to refuse.
//!
//! Its rules are of other origin than the gateway's tables: botocore's model of the service, AWS's description of bodies, what Claude Code
//! sends to Bedrock (`host/bedrock/tests/fixtures/claude_code_on_bedrock.json`), and Bedrock's messages in public reports.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::frames;
use super::signature::{Keys, Verdict};
use crate::harness::{Answer, Events, Recorded, Upstream};

/// The region of all of them.
pub(super) const REGION: &str = "us-east-1";

/// Members that AWS's description of bodies has, beside those that Claude Code sends.
const DESCRIBED: [&str; 6] = [
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "tool_choice",
    "context_management",
];

/// Betas that AWS's description lists, beside those that Claude Code sends.
const LISTED: [&str; 5] = [
    "context-1m-2025-08-07",
    "computer-use-2025-01-24",
    "token-efficient-tools-2025-02-19",
    "context-management-2025-06-27",
    "effort-2025-11-24",
];

/// Betas that LiteLLM passes to Bedrock. No source of AWS's has them.
const PASSED: [&str; 1] = ["thinking-display-updates-2026-08-18"];

/// What it takes for a credential, and the time by its clock.
#[derive(Debug, Clone)]
pub(super) enum Takes {
    Keys(Keys),
    /// The keys, by a clock that is so far ahead of this machine's.
    KeysAhead(Keys, Duration),
    ApiKey(&'static str),
}

/// The rules of bodies.
struct Rules {
    members: BTreeSet<String>,
    betas: BTreeSet<String>,
}

/// Starts one whose answers to valid requests come from `answer`, with the operation and the body of the invocation.
pub(super) async fn start_with(
    takes: Takes,
    mut answer: impl FnMut(&str, &Value) -> Answer + Send + 'static,
) -> Upstream {
    let rules = Rules::read();
    Upstream::start_with(move |request| {
        if let Err(refused) = takes.check(request) {
            return *refused;
        }
        match rules.check(request) {
            Ok((operation, body)) => answer(&operation, &body),
            Err(refused) => *refused,
        }
    })
    .await
}

/// Starts one that answers everything.
pub(super) async fn start(takes: Takes) -> Upstream {
    start_with(takes, |operation, _| usual(operation)).await
}

/// Starts one that refuses the keys of the first answers.
pub(super) async fn start_changing(takes: Vec<Takes>) -> Upstream {
    let rules = Rules::read();
    let takes = Mutex::new(takes);
    Upstream::start_with(move |request| {
        let mut left = takes.lock();
        let checked = left[0].check(request);
        if left.len() > 1 {
            left.remove(0);
        }
        match checked.and_then(|()| rules.check(request)) {
            Ok((operation, _)) => usual(&operation),
            Err(refused) => *refused,
        }
    })
    .await
}

/// The stream of a usual answer.
pub(super) fn events() -> Events {
    Events::begin("claude-sonnet-4-5-20250929")
        .thinking(&["hm", " well"])
        .text(&["Hello", " there"])
        .tool_use("get_weather", &["{\"city\":", "\"Berlin\"}"])
        .end("tool_use")
}

/// The message of a usual answer.
pub(super) fn message() -> Value {
    json!({
        "id": "msg_bdrk_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 25, "output_tokens": 2},
    })
}

/// Returns the usual answer to an operation.
pub(super) fn usual(operation: &str) -> Answer {
    let id = ("x-amzn-requestid", "0a1b2c3d-bedrock");
    let latency = ("x-amzn-bedrock-invocation-latency", "1500");
    match operation {
        "invoke" => Answer::json(200, &[id, latency], &message()),
        "invoke-with-response-stream" => frames::answer(&frames::of(&events())),
        _ => Answer::json(200, &[id], &json!({"inputTokens": 14})),
    }
}

/// Returns an error in Bedrock's form.
pub(super) fn exception(status: u16, name: &str, message: &str) -> Answer {
    let kind = format!("{name}:http://internal.amazon.com/coral/com.amazon.bedrock/");
    let headers = [
        ("x-amzn-errortype", kind.as_str()),
        ("x-amzn-requestid", "0a1b2c3d-bedrock"),
    ];
    Answer::json(status, &headers, &json!({"message": message}))
}

fn invalid(message: &str) -> Box<Answer> {
    Box::new(exception(400, "ValidationException", message))
}

// === impl Takes ===

impl Takes {
    fn check(&self, request: &Recorded) -> Result<(), Box<Answer>> {
        let (keys, ahead) = match self {
            Self::ApiKey(key) => {
                let given = request.headers.get("authorization");
                return if given == Some(format!("Bearer {key}").as_str()) {
                    Ok(())
                } else {
                    Err(exception(403, "AccessDeniedException", "Authentication failed").into())
                };
            }
            Self::Keys(keys) => (keys, Duration::ZERO),
            Self::KeysAhead(keys, ahead) => (keys, *ahead),
        };
        let refused = "The security token included in the request is expired";
        if let Some(session) = request.headers.get("x-amz-security-token")
            && keys.session.as_deref() != Some(session)
        {
            return Err(exception(403, "ExpiredTokenException", refused).into());
        }
        let now = SystemTime::now() + ahead;
        let date = request.headers.get("x-amz-date").unwrap_or_default();
        let apart = seconds(now).abs_diff(seconds_of(date));
        if apart > 300 {
            let kind = "InvalidSignatureException:http://internal.amazon.com/coral/com.amazon.coral.service/";
            let date = http_date(now);
            let headers = [("x-amzn-errortype", kind), ("date", date.as_str())];
            let message = json!({"message": "Signature not yet current"});
            return Err(Answer::json(403, &headers, &message).into());
        }
        match keys.verify(request, REGION) {
            Verdict::Valid => Ok(()),
            Verdict::Invalid(why) => Err(exception(403, "InvalidSignatureException", &why).into()),
        }
    }
}

// === impl Rules ===

impl Rules {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../host/bedrock/tests/fixtures/claude_code_on_bedrock.json");
        let rows: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut members: BTreeSet<_> = DESCRIBED.map(str::to_owned).into();
        let mut betas: BTreeSet<_> = LISTED.map(str::to_owned).into();
        betas.extend(PASSED.map(str::to_owned));
        for row in rows.as_array().unwrap() {
            let body = row["body"].as_object().unwrap();
            members.extend(body.keys().cloned());
            let sent = row["body"]["anthropic_beta"]
                .as_array()
                .into_iter()
                .flatten();
            betas.extend(sent.filter_map(|beta| beta.as_str().map(str::to_owned)));
        }
        Self { members, betas }
    }

    /// Returns the operation and the body of the invocation.
    fn check(&self, request: &Recorded) -> Result<(String, Value), Box<Answer>> {
        let not_found = || {
            let message = "no such operation";
            Box::new(exception(404, "UnknownOperationException", message))
        };
        let path = request
            .target()
            .strip_prefix("/model/")
            .ok_or_else(not_found)?;
        let (model, operation) = path.split_once('/').ok_or_else(not_found)?;
        if request.method() != "POST" || model.contains(':') {
            return Err(not_found());
        }
        if !model.contains("anthropic.claude") {
            return Err(invalid("The provided model identifier is invalid."));
        }
        for name in [
            "anthropic-beta",
            "anthropic-version",
            "x-api-key",
            "content-encoding",
        ] {
            assert_eq!(
                request.headers.get(name),
                None,
                "no header of the API's goes on"
            );
        }
        let body = match operation {
            "invoke" | "invoke-with-response-stream" => request.body.clone(),
            "count-tokens" if model.starts_with("anthropic.") => {
                let outer = request.json();
                let inner = outer["input"]["invokeModel"]["body"].as_str();
                from_base64(inner.ok_or_else(|| invalid("no body"))?)
            }
            "count-tokens" => {
                return Err(invalid(
                    "The provided model doesn't support counting tokens.",
                ));
            }
            _ => return Err(not_found()),
        };
        let body: Value =
            serde_json::from_slice(&body).map_err(|_| invalid("Malformed input request"))?;
        self.check_body(&body)?;
        Ok((operation.to_owned(), body))
    }

    fn check_body(&self, body: &Value) -> Result<(), Box<Answer>> {
        let extra = |place: &str| invalid(&format!("{place}: Extra inputs are not permitted"));
        if body["anthropic_version"] != "bedrock-2023-05-31" {
            return Err(invalid("anthropic_version: Field required"));
        }
        let members = body
            .as_object()
            .ok_or_else(|| invalid("Malformed input request"))?;
        if let Some(other) = members.keys().find(|name| !self.members.contains(*name)) {
            return Err(extra(other));
        }
        let betas = body["anthropic_beta"].as_array().into_iter().flatten();
        for beta in betas {
            if !beta.as_str().is_some_and(|beta| self.betas.contains(beta)) {
                return Err(invalid("invalid beta flag"));
            }
        }
        for (index, message) in body["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let members = message.as_object().into_iter().flatten();
            let mut names = members.map(|(name, _)| name.as_str());
            if let Some(other) = names.find(|name| !["role", "content"].contains(name)) {
                return Err(extra(&format!("messages.{index}.{other}")));
            }
        }
        for tool in body["tools"].as_array().into_iter().flatten() {
            let kind = tool["type"].as_str().unwrap_or_default();
            let hosted = [
                "web_search_",
                "web_fetch_",
                "code_execution_",
                "mcp_toolset",
            ];
            if hosted.iter().any(|hosted| kind.starts_with(hosted)) {
                return Err(invalid(&format!(
                    "tools: Input tag '{kind}' found using 'type' does not match any of the expected tags"
                )));
            }
        }
        Ok(())
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Reads `20261130T061500Z`.
fn seconds_of(date: &str) -> u64 {
    let number = |from: usize, to: usize| {
        date.get(from..to)
            .and_then(|it| it.parse().ok())
            .unwrap_or(0_u64)
    };
    let days = days(number(0, 4), number(4, 6), number(6, 8));
    days * 86_400 + number(9, 11) * 3_600 + number(11, 13) * 60 + number(13, 15)
}

/// Days since 1970.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.saturating_sub(1), month + 9)
    };
    (year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day)
        .saturating_sub(719_469)
}

/// A date of RFC 3339, as endpoints for credentials give it.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let second = seconds(at) % 86_400;
    let (year, month, day) = date(seconds(at) / 86_400);
    let (hours, minutes, rest) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{rest:02}Z")
}

/// Returns the year, the month and the day of a number of days since 1970.
fn date(day: u64) -> (u64, u64, u64) {
    let year = (1970..).find(|year| days(year + 1, 1, 1) > day).unwrap();
    let month = (1..=12)
        .rev()
        .find(|month| days(year, *month, 1) <= day)
        .unwrap();
    (year, month, day - days(year, month, 1) + 1)
}

/// A date of HTTP (RFC 9110, section 5.6.7).
fn http_date(at: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (day, second) = (seconds(at) / 86_400, seconds(at) % 86_400);
    let (year, month, of_month) = date(day);
    let index = |number: u64| usize::try_from(number).unwrap();
    format!(
        "{}, {:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[index(day % 7)],
        of_month,
        MONTHS[index(month - 1)],
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let mut bytes = Vec::new();
    for group in letters.chunks(4) {
        let number = group
            .iter()
            .fold(0_u32, |sum, letter| (sum << 6) | u32::from(value(*letter)));
        let number = number << (6 * (4 - group.len()));
        let whole = number.to_be_bytes();
        bytes.extend_from_slice(&whole[1..group.len()]);
    }
    bytes
}
