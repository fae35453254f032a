//! `witgate check --upstreams`: what an operator is told about upstreams that answer, and about those that do not.

use serde_json::json;

use crate::harness::{Answer, GatewayBuilder, Upstream, printed, witgate};
use crate::upstreams::table;

/// The models of an upstream, one of which has a price.
fn models() -> Answer {
    let model = |id: &str| json!({"type": "model", "id": id});
    let list =
        json!({"data": [model("claude-haiku-4-5"), model("our-own\u{1b}[2J")], "has_more": false});
    Answer::json(200, &[], &list)
}

fn refused(message: &str) -> Answer {
    Answer::error(401, "authentication_error", message)
}

/// Checks a configuration with these upstreams. Returns the exit code, and the lines about upstreams.
pub(super) async fn checked(upstreams: &[String]) -> (Option<i32>, Vec<String>) {
    let builder = upstreams
        .iter()
        .fold(GatewayBuilder::bare(), |builder, table| {
            builder.extra(table)
        });
    let builder = builder.top("default_upstream = \"a\"");
    let (folder, _key) = builder.lay_out();
    let check = move || witgate(folder.path(), &["check", "--upstreams"]);
    let output = tokio::task::spawn_blocking(check).await.unwrap();
    let text = printed(&output);
    assert!(!text.contains("upstream-secret"), "no secret in:\n{text}");
    let lines = text.lines().filter(|line| line.starts_with("upstream "));
    (output.status.code(), lines.map(str::to_owned).collect())
}

/// Checks a configuration with one upstream, which answers so. Returns the exit code, and the line about it.
async fn checked_with(answer: Answer, more: &str) -> (Option<i32>, String) {
    let upstream = Upstream::always(answer).await;
    let (code, mut lines) = checked(&[table("a", &upstream.url(), more)]).await;
    let asked = upstream.requests();
    assert_eq!(asked.len(), 1, "one question: {lines:?}");
    assert_eq!(asked[0].target(), "/v1/models?limit=1000");
    assert_eq!(asked[0].headers.get("x-api-key"), Some("upstream-secret"));
    (code, lines.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_is_asked_for_its_models_and_those_without_a_price_are_told() {
    let (code, line) = checked_with(models(), "").await;
    assert_eq!(
        line,
        "upstream a: it answers with 2 models; without a price: our-own[2J"
    );
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_is_told_with_its_source_and_without_itself() {
    let (code, line) = checked_with(refused("invalid x-api-key upstream-secret"), "").await;
    assert_eq!(
        line,
        "upstream a: it refuses the credential (401: invalid x-api-key [credential]): see what is in upstream.key"
    );
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_answer_is_told_with_its_cure() {
    let nothing = || Answer::error(404, "not_found_error", "no such route");
    let other = Answer::json(200, &[], &json!({"hello": "world"}));
    let late = &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
    for (answer, more, code, told) in [
        (
            nothing(),
            "",
            1,
            "`base_url` must be the part of the URL before /v1",
        ),
        (
            nothing(),
            "kind = \"messages\"",
            0,
            "has no list of models (404)",
        ),
        (other, "", 1, "something else than a list of models"),
        (
            Answer::json(302, &[], &json!({})),
            "",
            1,
            "set `base_url` to where it leads",
        ),
        (
            Answer::error(429, "rate_limit_error", "slow down"),
            "",
            0,
            "limits are used up now (429: slow down)",
        ),
        (
            Answer::error(529, "overloaded_error", "busy"),
            "",
            1,
            "fails or is overloaded (529: busy)",
        ),
        (
            Answer::json(200, late, &json!({"data": []})),
            "",
            0,
            "ahead of the upstream's: set it",
        ),
    ] {
        let (exit, line) = checked_with(answer, more).await;
        assert!(line.contains(told), "{told:?} in {line}");
        assert_eq!(exit, Some(code), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_upstreams_are_told_of_in_their_order_and_one_that_is_not_there_hides_none() {
    let gone = Upstream::answering().await;
    let url = gone.url();
    drop(gone);
    let there = Upstream::always(models()).await;
    let callers = Upstream::always(refused("no key")).await;
    let (code, lines) = checked(&[
        table("a", &url, ""),
        table("b", &there.url(), ""),
        format!(
            "[upstreams.c]\nbase_url = \"{}\"\ncredential = \"client\"\n",
            callers.url()
        ),
        format!(
            "[upstreams.d]\nkind = \"bedrock\"\nregion = \"us-east-1\"\nendpoint = \"{url}\"\ncredential = {{ file = \"upstream.key\" }}\n"
        ),
    ])
    .await;
    assert!(
        lines[0].starts_with("upstream a: no connection to the upstream a: refused"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("upstream b: it answers with 2 models"));
    assert!(
        lines[2].starts_with("upstream c: it answers; it is sent the callers' own credentials")
    );
    assert!(
        lines[3].starts_with("upstream d: no connection to the upstream d: refused"),
        "{lines:?}"
    );
    assert_eq!((code, lines.len()), (Some(1), 4));
}
