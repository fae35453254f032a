//! Requests of real clients.

use serde_json::Value;
use witgate_bedrock::request::Asked;
use witgate_bedrock::{OnRefused, Operation, Request};

use super::{bytes, head, json, translated};

fn recorded(name: &str, on_refused: OnRefused) -> (Vec<u8>, Result<Request, String>) {
    let body = bytes(&format!("recorded_{name}.json"));
    let betas = json("recorded_betas.json");
    let betas: Vec<_> = betas[name]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let request = translated(Asked::Messages, &body, &betas, on_refused);
    (body, request.map_err(|error| error.to_string()))
}

/// Checks that all members keep their bytes but those named.
fn keeps_all_but(name: &str, body: &[u8], request: &Request, changed: &[&str]) {
    let (before, sent) = (head(body), request.body.concat());
    let after = head(&sent);
    for member in before.members() {
        let kept = after.member(member.name).map(str::as_bytes);
        let same = kept == Some(member.value);
        assert_ne!(
            same,
            changed.contains(&member.name),
            "{name}: `{}`",
            member.name
        );
    }
    assert_eq!(
        after.member("anthropic_version"),
        Some(r#""bedrock-2023-05-31""#),
        "{name}: the version"
    );
}

#[test]
fn a_request_of_claude_code_fits_without_what_bedrock_refuses() {
    let (body, request) = recorded("claude-code", OnRefused::Strip);
    let request = request.unwrap();
    assert_eq!(request.operation, Operation::InvokeStream, "streamed");
    assert_eq!(
        request.removed,
        [
            "context-management-2025-06-27",
            "per-turn-control-2026-07-01",
            "mid-conversation-tool-changes-2026-07-01",
            "context_management.edits[clear_]",
            "messages[].output_config",
            "claude-code-20250219",
            "advanced-tool-use-2025-11-20",
            "effort-2025-11-24",
        ],
        "for the record"
    );
    keeps_all_but(
        "claude-code",
        &body,
        &request,
        &["model", "stream", "context_management", "messages"],
    );
    let sent = request.body.concat();
    let (given, sent_head) = (head(&body), head(&sent));
    let messages = given.member("messages").unwrap();
    let (before, after) = messages.split_once(r#","output_config":{"#).unwrap();
    let (_, after) = after.split_once('}').unwrap();
    assert_eq!(
        sent_head.member("messages"),
        Some(format!("{before}{after}").as_str()),
        "the messages stay but that part of one"
    );
    assert_eq!(
        sent_head.member("anthropic_beta"),
        Some(
            r#"["interleaved-thinking-2025-05-14","thinking-token-count-2026-05-13","tool-search-tool-2025-10-19"]"#
        ),
        "the betas that are left"
    );
}

#[test]
fn a_request_for_structured_output_loses_its_format_with_a_model_that_refuses_it() {
    let (body, request) = recorded("structured", OnRefused::Strip);
    let request = request.unwrap();
    assert!(
        request
            .removed
            .iter()
            .any(|name| name == "output_config.format"),
        "{:?}",
        request.removed
    );
    keeps_all_but(
        "structured",
        &body,
        &request,
        &["model", "stream", "output_config"],
    );
    assert_eq!(
        head(&request.body.concat()).member("output_config"),
        Some(r#"{"effort":"medium"}"#),
        "the rest stays"
    );
    let (_, refused) = recorded("structured", OnRefused::Fail);
    assert!(
        refused.unwrap_err().contains("output_config.format"),
        "another policy says it"
    );
}

#[test]
fn requests_of_anthropics_sdk_fit() {
    for (name, changed, operation) in [
        ("plain", &["model"][..], Operation::Invoke),
        ("stream", &["model", "stream"], Operation::InvokeStream),
        ("beta", &["model", "service_tier"], Operation::Invoke),
    ] {
        let (body, request) = recorded(name, OnRefused::Strip);
        let request = request.unwrap();
        assert_eq!(request.operation, operation, "{name}");
        keeps_all_but(name, &body, &request, changed);
    }
}

#[test]
fn nothing_that_claude_code_sends_to_bedrock_counts_as_refused() {
    let rows = json("claude_code_on_bedrock.json");
    let rows = rows.as_array().unwrap();
    assert!(
        rows.len() >= 15,
        "models of each generation: {}",
        rows.len()
    );
    for row in rows {
        let model = row["model"].as_str().unwrap();
        let mut body = row["body"].clone();
        body["model"] = model.into();
        body["stream"] = true.into();
        let betas: Vec<_> = row["header_betas"].as_str().into_iter().collect();
        let request = translated(
            Asked::Messages,
            body.to_string().as_bytes(),
            &betas,
            OnRefused::Fail,
        )
        .unwrap();
        assert_eq!(
            request.path,
            row["path"].as_str().unwrap().replace(':', "%3A"),
            "{model}: the path"
        );
        for (header, name) in request.headers.iter().zip(["content_type", "accept"]) {
            assert_eq!(row[name], header.1, "{model}: {name}");
        }
        let sent: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        for (name, value) in row["body"].as_object().unwrap() {
            if name != "anthropic_beta" {
                assert_eq!(&sent[name], value, "{model}: `{name}`");
            }
        }
        assert_eq!(
            betas_of(&sent),
            betas_of(&row["body"]),
            "{model}: the betas"
        );
    }
}

/// Returns the betas of a body, but for a client's own name, which is left out.
fn betas_of(body: &Value) -> Vec<&str> {
    let betas = body["anthropic_beta"].as_array().into_iter().flatten();
    let betas = betas.filter_map(Value::as_str);
    betas
        .filter(|beta| *beta != "claude-code-20250219")
        .collect()
}

#[test]
fn the_manual_has_every_row_of_the_table_of_pairs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/upstreams.md");
    let manual = std::fs::read_to_string(path).unwrap();
    for row in witgate_bedrock::pairs::TABLE {
        let betas = row.betas.iter().map(|beta| beta.name);
        let names: Vec<_> = betas.chain(row.members.iter().copied()).collect();
        let has_all = |line: &str| names.iter().all(|name| line.contains(&format!("`{name}`")));
        let source = format!(": {} |", row.source);
        let mut lines = manual.lines().filter(|line| line.ends_with(&source));
        assert!(lines.any(has_all), "{names:?} with their source");
    }
}
