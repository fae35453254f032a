//! Insertions into arrays, as new values of their members.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Edit, EditError, Insertion};
use crate::head::Head;

/// Replaces each insertion by an edit that sets the whole member. Other edits stay as they are, and without insertions nothing
/// is copied.
///
/// # Errors
///
/// A member is not an array.
pub(crate) fn resolve<'a>(head: &Head, edits: &'a [Edit]) -> Result<Cow<'a, [Edit]>, EditError> {
    if !edits.iter().any(|edit| matches!(edit, Edit::Insert(_))) {
        return Ok(Cow::Borrowed(edits));
    }
    let mut resolved: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits {
        let Edit::Insert(insertion) = edit else {
            resolved.push(edit.clone());
            continue;
        };
        let name = &insertion.member;
        let before = resolved.iter().rev().find(|edit| edit.name() == name);
        let value = match before {
            Some(Edit::Set(_, json)) => Some(json.as_str()),
            Some(_) => None,
            None => head.member(name),
        };
        resolved.push(Edit::Set(name.clone(), inserted(insertion, value)?));
    }
    Ok(Cow::Owned(resolved))
}

/// Returns the member's value with the new element.
fn inserted(insertion: &Insertion, value: Option<&str>) -> Result<String, EditError> {
    let Insertion {
        member,
        index,
        element,
    } = insertion;
    let not_array = || EditError::NotArray {
        name: member.clone(),
    };
    // An empty system prompt is none, too.
    let is_none = |value: &str| value == "null" || (member == "system" && value == "\"\"");
    let Some(value) = value.filter(|value| !is_none(value.trim())) else {
        return Ok(format!("[{element}]"));
    };
    // A text is short for one block, in `system` as in the content of a message.
    if member == "system" && value.trim_start().starts_with('"') {
        let block = format!("{{\"type\":\"text\",\"text\":{}}}", value.trim());
        return Ok(match index {
            Some(0) => format!("[{element},{block}]"),
            _ => format!("[{block},{element}]"),
        });
    }
    let elements: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| not_array())?;
    let next = index.and_then(|index| elements.get(index));
    let (at, text) = match (next, elements.last()) {
        (Some(next), _) => (offset(value, next), format!("{element},")),
        (None, Some(last)) => (
            offset(value, last) + last.get().len(),
            format!(",{element}"),
        ),
        (None, None) => (value.find('[').map_or(0, |at| at + 1), element.clone()),
    };
    let (head, tail) = value.split_at_checked(at).ok_or_else(not_array)?;
    Ok([head, &text, tail].concat())
}

/// Returns where an element begins in the array that it was read from.
fn offset(array: &str, element: &RawValue) -> usize {
    element.get().as_ptr().addr() - array.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::splice;
    use super::*;

    fn body(text: &str, edits: &[Edit]) -> Result<String, EditError> {
        let head = Head::scan(Bytes::copy_from_slice(text.as_bytes())).expect("a request");
        let spliced = splice(&head, edits)?;
        Ok(String::from_utf8(spliced.into_bytes().to_vec()).expect("text"))
    }

    fn insert(member: &str, index: Option<usize>, element: &str) -> Edit {
        Edit::Insert(Insertion {
            member: member.to_owned(),
            index,
            element: element.to_owned(),
        })
    }

    #[test]
    fn an_element_is_added_where_it_belongs_and_every_other_byte_stays() {
        for (before, index, after) in [
            (
                r#"{"a": [ 1 , 2 ], "b":3}"#,
                None,
                r#"{"a": [ 1 , 2,9 ], "b":3}"#,
            ),
            (
                r#"{"a": [ 1 , 2 ], "b":3}"#,
                Some(0),
                r#"{"a": [ 9,1 , 2 ], "b":3}"#,
            ),
            (
                r#"{"a": [ 1 , 2 ], "b":3}"#,
                Some(1),
                r#"{"a": [ 1 , 9,2 ], "b":3}"#,
            ),
            (r#"{"a": [1], "b":3}"#, Some(7), r#"{"a": [1,9], "b":3}"#),
            (r#"{"a": [ ], "b":3}"#, None, r#"{"a": [9 ], "b":3}"#),
            (r#"{"a": null, "b":3}"#, None, r#"{"a": [9], "b":3}"#),
            (r#"{"b":3}"#, None, r#"{"b":3,"a":[9]}"#),
        ] {
            let edited = body(before, &[insert("a", index, "9")]).expect("an array");
            assert_eq!(edited, after, "{before} at {index:?}");
        }
    }

    #[test]
    fn a_system_prompt_of_one_text_becomes_a_block_before_another_is_added() {
        let edited = body(r#"{"system":"s\"s"}"#, &[insert("system", None, "{}")]).unwrap();
        assert_eq!(
            edited, r#"{"system":[{"type":"text","text":"s\"s"},{}]}"#,
            "after it"
        );
        let edited = body(r#"{"system":"s"}"#, &[insert("system", Some(0), "{}")]).unwrap();
        assert_eq!(
            edited, r#"{"system":[{},{"type":"text","text":"s"}]}"#,
            "before it"
        );
    }

    #[test]
    fn an_empty_system_prompt_makes_no_block() {
        let edited = body(r#"{"system":""}"#, &[insert("system", None, "{}")]).unwrap();
        assert_eq!(edited, r#"{"system":[{}]}"#, "the API refuses empty blocks");
    }

    #[test]
    fn insertions_see_the_edits_before_them() {
        let set = Edit::Set("a".to_owned(), "[1]".to_owned());
        let edits = [set, insert("a", None, "2"), insert("a", None, "3")];
        assert_eq!(
            body(r#"{"a":7}"#, &edits).unwrap(),
            r#"{"a":[1,2,3]}"#,
            "in order"
        );
        let edits = [Edit::Remove("a".to_owned()), insert("a", None, "2")];
        assert_eq!(
            body(r#"{"a":7}"#, &edits).unwrap(),
            r#"{"a":[2]}"#,
            "created anew"
        );
    }

    #[test]
    fn nothing_is_added_to_what_is_no_array() {
        for value in ["7", "{}", "true"] {
            let error = body(&format!("{{\"a\":{value}}}"), &[insert("a", None, "9")]);
            assert!(
                matches!(error, Err(EditError::NotArray { .. })),
                "{value}: {error:?}"
            );
        }
    }
}
