//! The `thinking` member of a request.

use bytes::Bytes;

use crate::json::whole_number;
use crate::{Edit, Head};

/// The least `budget_tokens` that the API accepts.
pub const LEAST_BUDGET: u64 = 1024;

/// A lower budget for thinking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lowered {
    /// The `budget_tokens` of the request.
    pub asked: u64,
    /// The lower one.
    pub allowed: u64,
    /// The whole member with the lower one. All its other bytes are as they were.
    pub member: String,
}

/// Returns true if a request asks for thinking, by a type other than `disabled`.
#[must_use]
pub fn is_asked(head: &Head) -> bool {
    read(head).is_some_and(|thinking| {
        thinking
            .member("type")
            .is_some_and(|kind| kind != "\"disabled\"")
    })
}

/// Returns the `thinking` member, or `None` if it is no object.
fn read(head: &Head) -> Option<Head> {
    Head::scan(Bytes::copy_from_slice(head.member("thinking")?.as_bytes())).ok()
}

/// Returns the member with a `budget_tokens` of at most `most`, and no less than the API accepts, or `None` if the request asks for no
/// more. That includes requests without thinking and those that leave its amount to the model.
///
/// A valid budget is below `max_tokens`, so a lower one is, too.
#[must_use]
pub fn lowered(head: &Head, most: u64) -> Option<Lowered> {
    let thinking = read(head)?;
    let asked = whole_number(thinking.member("budget_tokens")?.as_bytes())?;
    let allowed = most.max(LEAST_BUDGET);
    if asked <= allowed {
        return None;
    }
    let edit = Edit::Set("budget_tokens".to_owned(), allowed.to_string());
    let member = thinking.edited(&[edit]).ok()?.sent().into_bytes();
    Some(Lowered {
        asked,
        allowed,
        member: String::from_utf8(member.into()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered_to(body: &'static str, most: u64) -> Option<(u64, u64, String)> {
        let head = Head::scan(Bytes::from_static(body.as_bytes())).expect("a body");
        let lowered = lowered(&head, most)?;
        Some((lowered.asked, lowered.allowed, lowered.member))
    }

    #[test]
    fn only_a_higher_budget_is_lowered_and_nothing_beside_it_changes() {
        let body = r#"{"max_tokens":64000,"thinking": { "type":"enabled", "budget_tokens" : 32000, "display":"omitted"}}"#;
        let member = r#"{ "type":"enabled", "budget_tokens" : 8000, "display":"omitted"}"#;
        assert_eq!(
            lowered_to(body, 8000),
            Some((32000, 8000, member.to_owned())),
            "more than allowed"
        );
        assert_eq!(lowered_to(body, 32000), None, "just what is allowed");
        assert_eq!(
            lowered_to(body, 0).map(|lowered| lowered.1),
            Some(LEAST_BUDGET),
            "no less than the API accepts"
        );
        let exponent = r#"{"thinking":{"type":"enabled","budget_tokens":3.2e4}}"#;
        assert_eq!(
            lowered_to(exponent, 8000).map(|lowered| lowered.0),
            Some(32000),
            "however the number is written"
        );
    }

    #[test]
    fn a_request_asks_for_thinking_unless_it_disables_it_or_does_not_name_it() {
        for (body, asked) in [
            (
                r#"{"thinking":{"type":"adaptive","display":"omitted"}}"#,
                true,
            ),
            (
                r#"{"thinking":{"type":"enabled","budget_tokens":2000}}"#,
                true,
            ),
            (r#"{"thinking":{"type" : "disabled"}}"#, false),
            (r#"{"thinking":null}"#, false),
            (r#"{"model":"m"}"#, false),
        ] {
            let head = Head::scan(Bytes::from_static(body.as_bytes())).expect("a body");
            assert_eq!(is_asked(&head), asked, "{body}");
        }
    }

    #[test]
    fn thinking_without_a_budget_stays_as_it_is() {
        for body in [
            "{}",
            r#"{"thinking":{"type":"adaptive"}}"#,
            r#"{"thinking":{"type":"disabled"}}"#,
            r#"{"thinking":null}"#,
            r#"{"thinking":{"type":"enabled","budget_tokens":"many"}}"#,
            r#"{"budget_tokens":32000}"#,
        ] {
            assert_eq!(lowered_to(body, 2000), None, "{body}");
        }
    }
}
