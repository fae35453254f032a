//! Any bytes: no panic, both scanners agree, and a document that `serde_json` reads has the members it reads.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use witgate_messages::{Head, Scanner};

fuzz_target!(|document: &[u8]| {
    let body = Bytes::copy_from_slice(document);
    let fastest = Head::scan(body.clone());
    let portable = Head::scan_with(body, Scanner::Portable);
    let head = match (fastest, portable) {
        (Ok(fastest), Ok(portable)) => {
            assert!(fastest.members().eq(portable.members()), "the scanners agree");
            assert_eq!(fastest.prompt_tokens(), portable.prompt_tokens(), "the scanners agree");
            fastest
        }
        (Err(fastest), Err(portable)) => {
            assert_eq!(fastest, portable, "the scanners agree");
            assert!(fastest.offset <= document.len(), "the place is in the document");
            return;
        }
        (fastest, portable) => panic!("one scanner refuses: {fastest:?} {portable:?}"),
    };
    let _ = head.tools().count();
    let Ok(Value::Object(members)) = serde_json::from_slice::<Value>(document) else {
        return;
    };
    assert_eq!(head.members().count(), members.len(), "as many members");
    for (name, value) in &members {
        let text = head.member(name).expect("the member is found");
        assert_eq!(&serde_json::from_str::<Value>(text).expect("its text is JSON"), value, "{name}");
    }
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
    assert_eq!(head.model().map(String::from), text("model"), "the model");
    let count = members.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(head.message_count() as usize, count, "the messages");
});
