//! Any document and edits: the result is again a document, with the edits in it and the other members as they were.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use witgate_messages::{Edit, Head, splice};

fuzz_target!(|input: (&[u8], Vec<(String, Option<u64>)>)| {
    let (document, edits) = input;
    let Ok(head) = Head::scan(Bytes::copy_from_slice(document)) else {
        return;
    };
    let edits: Vec<_> = edits
        .into_iter()
        .map(|(name, number)| match number {
            Some(number) => Edit::Set(name, format!("{{\"n\":{number}}}")),
            None => Edit::Remove(name),
        })
        .collect();
    let spliced = splice(&head, &edits).expect("the texts are JSON");
    let len = spliced.len();
    let whole = spliced.into_bytes();
    assert_eq!(whole.len(), len, "the parts add up");

    // The edited names may break limits and types that a head keeps; the rest of the checks are for those that don't.
    let Ok(after) = Head::scan(whole) else {
        return;
    };
    for edit in &edits {
        let last = edits.iter().rev().find(|other| other.name() == edit.name());
        match last {
            Some(Edit::Set(name, text)) => assert_eq!(after.member(name), Some(text.as_str()), "set"),
            Some(Edit::Remove(name)) => assert_eq!(after.member(name), None, "removed"),
            None => unreachable!("the edit itself is there"),
        }
    }
    let untouched = |name: &str| edits.iter().all(|edit| edit.name() != name);
    let before: Vec<_> = head.members().filter(|member| untouched(member.name)).collect();
    let after: Vec<_> = after.members().filter(|member| untouched(member.name)).collect();
    assert_eq!(before, after, "the others are as they were, in order");
});
