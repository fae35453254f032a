//! Tests of the pairs.

use bytes::Bytes;

use super::*;

const ROWS: &[Row] = &[
    Row {
        betas: &[taken("pair-1"), renamed("old-1", "new-1")],
        members: &["a", "list[].flag"],
        on: On::Except(&["small"]),
        known: Known::Documented,
        source: "a test",
    },
    Row {
        betas: &[idle("client-1")],
        members: &[],
        on: On::All,
        known: Known::Documented,
        source: "a test",
    },
];

fn table(unlisted: Fate, members: Members) -> Table {
    Table {
        service: "A cloud",
        rows: ROWS,
        unlisted,
        members,
    }
}

fn fitted(table: &Table, model: &str) -> (String, Fit) {
    let body = r#"{"model":"m", "a":1,"list":[{"flag":true,"b":2}],"c":3}"#;
    let head = Head::scan(Bytes::from_static(body.as_bytes())).unwrap();
    let betas = ["pair-1", "old-1", "client-1", "other-1"].map(str::to_owned);
    let fit = fit(table, &head, &betas, model, &Policy::new(OnRefused::Strip)).unwrap();
    let sent = witgate_messages::splice(&head, &fit.edits).unwrap();
    let sent = String::from_utf8(sent.into_bytes().to_vec()).unwrap();
    (sent, fit)
}

#[test]
fn a_table_that_lists_everything_removes_the_rest() {
    let table = table(Fate::Refused, Members::Listed(&["a", "list"]));
    let (sent, fit) = fitted(&table, "large");
    assert_eq!(
        sent, r#"{"model":"m", "a":1,"list":[{"flag":true,"b":2}]}"#,
        "what stands in no list"
    );
    assert_eq!(fit.betas, ["pair-1", "new-1"], "the betas of the row");
    assert_eq!(
        fit.removed,
        ["other-1", "c", "old-1", "client-1"],
        "refused names first, idle ones after them"
    );
}

#[test]
fn a_table_of_exceptions_lets_the_rest_pass() {
    let (sent, fit) = fitted(&table(Fate::Taken, Members::All), "small");
    assert_eq!(
        sent, r#"{"model":"m", "list":[{"b":2}],"c":3}"#,
        "a pair goes with both halves"
    );
    assert_eq!(fit.betas, ["other-1"], "a beta that the table doesn't know");
    assert_eq!(
        fit.removed,
        ["pair-1", "old-1", "a", "list[].flag", "client-1"],
        "the pair"
    );
}

#[test]
fn a_strict_policy_names_the_service() {
    let head = Head::scan(Bytes::from_static(br#"{"a":1}"#)).unwrap();
    let table = table(Fate::Taken, Members::All);
    let unfit = fit(&table, &head, &[], "small", &Policy::new(OnRefused::Fail)).unwrap_err();
    assert_eq!(
        unfit.to_string(),
        "A cloud does not take a of this request with small",
        "with the member and the model"
    );
}
