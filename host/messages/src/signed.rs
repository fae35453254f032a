//! Parts of a request that only the provider that wrote them can read.
//!
//! An assistant's thinking returns in the next request with a signature or encrypted; search results and compactions return
//! encrypted. Another provider of the same model answers them with a 400.

use memchr::memmem;

/// Marks of such parts: names and types as the API writes them.
const MARKS: [&[u8]; 3] = [
    b"\"signature\"",
    b"\"redacted_thinking\"",
    b"\"encrypted_content\"",
];

/// Returns true if a request body is bound to the provider of the answers in it. There may be false positives, because the
/// marks are searched for everywhere, for instance as the name of a tool's argument. A text that merely quotes them is not
/// one, because its quotes are escaped.
pub fn is_bound(body: &[u8]) -> bool {
    MARKS.iter().any(|mark| memmem::find(body, mark).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_and_encrypted_parts_bind_and_texts_about_them_do_not() {
        for bound in [
            r#"{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"","signature":"Eo"}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"type":"redacted_thinking","data":"Eo"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"encrypted_content" : "Eo"}]}]}"#,
        ] {
            assert!(is_bound(bound.as_bytes()), "{bound}");
        }
        let free = r#"{"messages":[{"role":"user","content":"what is a \"signature\"?"}]}"#;
        assert!(!is_bound(free.as_bytes()), "{free}");
    }
}
