//! Tests of the table.

use bytes::Bytes;
use witgate_dialect::pairs::{Fit, fit};
use witgate_dialect::{OnRefused, Policy};
use witgate_messages::Head;

use super::*;

fn fitted(body: &str, betas: &[&str], model: &str) -> (String, Fit) {
    let head = Head::scan(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let betas: Vec<_> = betas.iter().map(|beta| (*beta).to_owned()).collect();
    let policy = Policy::new(OnRefused::Strip);
    let fit = fit(&TABLE, &head, &betas, model, &policy).unwrap();
    let sent = witgate_messages::splice(&head, &fit.edits).unwrap();
    (String::from_utf8(sent.into_bytes().to_vec()).unwrap(), fit)
}

#[test]
fn a_pair_goes_with_both_halves_and_the_rest_stays() {
    let body = r#"{"tools":[{"name":"a", "x":1},{"type":"web_fetch_20250910"},{"type":"web_search_20250305"}],"speed":"fast"}"#;
    let (sent, fit) = fitted(
        body,
        &[
            "web-fetch-2025-09-10",
            "fast-mode-2026-02-01",
            "web-search-2025-03-05",
        ],
        "claude-opus-5",
    );
    assert_eq!(
        sent, r#"{"tools":[{"name":"a", "x":1},{"type":"web_search_20250305"}]}"#,
        "what is taken keeps its bytes"
    );
    assert_eq!(
        fit.betas,
        ["web-search-2025-03-05"],
        "the beta that is left"
    );
    assert_eq!(
        fit.removed,
        [
            "web-fetch-2025-09-10",
            "fast-mode-2026-02-01",
            "speed",
            "tools[web_fetch_]"
        ],
        "both halves are named"
    );
}

#[test]
fn the_model_decides_about_effort() {
    let body = r#"{"output_config":{"effort":"low"}}"#;
    let (sent, kept) = fitted(body, &["effort-2025-11-24"], "claude-opus-4-6");
    assert_eq!((sent.as_str(), kept.betas.len()), (body, 1), "taken");
    let (sent, fit) = fitted(body, &["effort-2025-11-24"], "claude-haiku-4-5@20251001");
    assert_eq!((sent.as_str(), fit.betas.len()), ("{}", 0), "refused");
}

#[test]
fn each_beta_stands_in_one_row_and_each_row_says_its_source() {
    let mut names: Vec<_> = ROWS
        .iter()
        .flat_map(|row| row.betas)
        .map(|beta| beta.name)
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "no beta twice");
    assert!(
        ROWS.iter().all(|row| !row.source.is_empty()),
        "a source each"
    );
}
