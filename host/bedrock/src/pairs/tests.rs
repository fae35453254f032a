//! Tests of the pairs.

use bytes::Bytes;

use super::*;

const BODY: &str = r#"{"model":"m", "max_tokens":1,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"a","defer_loading":true},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"auto"},"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},"output_config":{"effort":"low","format":{"type":"json_schema"}},"speed":"fast","service_tier":"auto"}"#;

fn id(text: &str) -> ModelId {
    ModelId::try_new(text).unwrap()
}

fn head(body: &str) -> Head {
    Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

fn betas(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn sent(head: &Head, fit: &Fit) -> String {
    let spliced = witgate_messages::splice(head, &fit.edits).unwrap();
    String::from_utf8(spliced.into_bytes().to_vec()).unwrap()
}

#[test]
fn a_refused_pair_is_stripped_with_its_member_and_named() {
    let head = head(BODY);
    let names = betas(&[
        "context-management-2025-06-27",
        "advanced-tool-use-2025-11-20",
        "claude-code-20250219",
        "new-2030-01-01",
    ]);
    let fit = fit(
        &head,
        &names,
        &id("us.anthropic.claude-opus-5-5"),
        &Policy::new(OnRefused::Strip),
    )
    .unwrap();
    assert_eq!(
        sent(&head, &fit),
        r#"{"model":"m", "max_tokens":1,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"a","defer_loading":true}],"tool_choice":{"type":"auto"},"output_config":{"effort":"low"}}"#,
        "all other bytes stay"
    );
    assert_eq!(
        fit.betas,
        ["tool-search-tool-2025-10-19"],
        "a beta with another name there"
    );
    assert_eq!(
        fit.removed,
        [
            "context-management-2025-06-27",
            "new-2030-01-01",
            "speed",
            "service_tier",
            "context_management.edits[clear_]",
            "output_config.format",
            "tools[web_search_]",
            "advanced-tool-use-2025-11-20",
            "claude-code-20250219",
        ],
        "refused names first, idle ones after them"
    );
}

#[test]
fn the_model_decides_about_a_pair() {
    let head = head(BODY);
    let fit = fit(
        &head,
        &betas(&["context-management-2025-06-27"]),
        &id("anthropic.claude-haiku-4-5-20251001-v1:0"),
        &Policy::new(OnRefused::Strip),
    )
    .unwrap();
    assert_eq!(
        fit.betas,
        ["context-management-2025-06-27"],
        "taken with this model"
    );
    let sent = sent(&head, &fit);
    assert!(
        sent.contains("clear_thinking")
            && sent.contains(r#""output_config":{"format":{"type":"json_schema"}}"#),
        "{sent}"
    );
}

#[test]
fn another_policy_refuses_the_request_and_names_the_parts() {
    let head = head(BODY);
    for policy in [OnRefused::Skip, OnRefused::Fail] {
        let unfit = fit(
            &head,
            &[],
            &id("anthropic.claude-opus-5"),
            &Policy::new(policy),
        )
        .unwrap_err();
        assert_eq!(unfit.policy, policy, "the caller is told which");
        let message = unfit.to_string();
        assert!(
            message.contains("speed, service_tier") && message.contains("anthropic.claude-opus-5"),
            "{message}"
        );
    }
}

#[test]
fn idle_betas_never_refuse_a_request() {
    let head = head(r#"{"model":"m","max_tokens":1,"messages":[]}"#);
    let fit = fit(
        &head,
        &betas(&["claude-code-20250219"]),
        &id("anthropic.claude-opus-5"),
        &Policy::new(OnRefused::Fail),
    )
    .unwrap();
    assert!(fit.betas.is_empty() && fit.edits.is_empty(), "left out");
    assert_eq!(fit.removed, ["claude-code-20250219"], "and recorded");
}

#[test]
fn the_operators_word_wins_over_the_tables() {
    let head = head(BODY);
    let taken = [
        "new-2030-01-01",
        "speed",
        "service_tier",
        "context_management.edits[clear_]",
        "output_config.format",
        "tools[web_search_]",
    ];
    let policy = Policy {
        on_refused: OnRefused::Fail,
        taken: taken.map(str::to_owned).into(),
    };
    let fit = fit(
        &head,
        &betas(&["new-2030-01-01"]),
        &id("anthropic.claude-opus-5"),
        &policy,
    )
    .unwrap();
    assert_eq!(fit.betas, ["new-2030-01-01"], "sent");
    assert!(
        fit.edits.is_empty() && fit.removed.is_empty(),
        "nothing removed"
    );
}

#[test]
fn a_choice_of_tools_goes_with_the_last_tool() {
    let head = head(
        r#"{"max_tokens":1,"tools":[{"type":"web_search_20250305"}],"tool_choice":{"type":"any"}}"#,
    );
    let fit = fit(
        &head,
        &[],
        &id("anthropic.claude-opus-5"),
        &Policy::new(OnRefused::Strip),
    )
    .unwrap();
    assert_eq!(sent(&head, &fit), r#"{"max_tokens":1}"#, "both");
}

#[test]
fn the_scope_of_a_cache_is_removed_and_its_lifetime_kept_where_it_is_known() {
    let head = head(
        r#"{"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h","scope":"global"}}],"messages":[{"role":"user","content":[{"type":"text","text":"scope ttl","cache_control":{"type":"ephemeral","scope":"global"}}]}]}"#,
    );
    let with = |model| {
        sent(
            &head,
            &fit(&head, &[], &id(model), &Policy::new(OnRefused::Strip)).unwrap(),
        )
    };
    assert_eq!(
        with("anthropic.claude-opus-5"),
        r#"{"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":[{"type":"text","text":"scope ttl","cache_control":{"type":"ephemeral"}}]}]}"#,
        "a model that knows lifetimes"
    );
    assert!(
        !with("anthropic.claude-3-7-sonnet-20250219-v1:0").contains("1h"),
        "a model that doesn't"
    );
}

#[test]
fn each_beta_stands_in_one_row_and_each_row_says_its_source() {
    let mut names: Vec<_> = TABLE
        .iter()
        .flat_map(|row| row.betas)
        .map(|beta| beta.name)
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "no beta twice");
    assert!(
        TABLE.iter().all(|row| !row.source.is_empty()),
        "a source each"
    );
}
