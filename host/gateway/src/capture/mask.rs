//! Blanks what people wrote in a request's body, byte for byte, so that sizes, shapes and what plugins decide on stay.
//!
//! Each byte of a string value becomes `x`, but for values whose key is in [`PLAIN`]. What a tool was called with is
//! blanked whole, and so is everything below a key that says that it holds a secret: there the digits of numbers become
//! `1`, and no key is plain. Keys stay. Secrets are blanked in content that is kept, too.

use std::borrow::Cow;

use super::{Content, secret};

/// Keys whose values are what policies decide on, and nobody's words.
const PLAIN: [&str; 18] = [
    "betas",
    "container",
    "effort",
    "file_id",
    "format",
    "id",
    "inference_geo",
    "media_type",
    "mode",
    "model",
    "name",
    "role",
    "service_tier",
    "speed",
    "tool_use_id",
    "ttl",
    "type",
    "user_id",
];

/// The key whose value is what a tool was called with.
const CALLED_WITH: &str = "input";

/// The key whose value is an address: its user and its query may be secret.
const ADDRESS: &str = "url";

/// How strings and numbers of a value are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Strings stay, and so do all below whose key says nothing.
    Kept,
    /// Strings stay, but for the secret parts of an address.
    Address,
    /// Strings stay.
    Plain,
    /// Strings are blanked.
    Blank,
    /// Strings and numbers are, and so is everything below.
    BlankAll,
}

/// What the bytes are inside of.
struct Level {
    is_object: bool,
    /// Whether the next string is a key.
    at_key: bool,
    /// For values whose key says nothing.
    around: Treatment,
    /// For the values to come.
    treatment: Treatment,
}

/// The body with its words blanked. It has the same length.
pub(super) fn mask(json: &[u8], content: Content) -> Vec<u8> {
    let top = match content {
        Content::Masked => Treatment::Blank,
        Content::Kept => Treatment::Kept,
    };
    let mut masked = Vec::with_capacity(json.len());
    let mut levels: Vec<Level> = Vec::new();
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        let treatment = levels.last().map_or(top, |level| level.treatment);
        if byte == b'"' {
            let end = end_of_string(after);
            let (text, behind) = after.split_at(end);
            masked.push(b'"');
            match levels.last_mut() {
                Some(level) if level.at_key => {
                    level.treatment = of_key(text, level.around);
                    masked.extend_from_slice(text);
                }
                _ if matches!(treatment, Treatment::Plain | Treatment::Kept) => {
                    masked.extend_from_slice(text);
                }
                _ if treatment == Treatment::Address => blank_address(text, &mut masked),
                _ => masked.resize(masked.len() + text.len(), b'x'),
            }
            rest = behind;
            if let Some((quote, behind)) = rest.split_first() {
                masked.push(*quote);
                rest = behind;
            }
            continue;
        }
        match byte {
            b'{' => {
                let around = match treatment {
                    Treatment::BlankAll => Treatment::BlankAll,
                    Treatment::Kept | Treatment::Address => Treatment::Kept,
                    Treatment::Plain | Treatment::Blank => Treatment::Blank,
                };
                levels.push(Level {
                    is_object: true,
                    at_key: true,
                    around,
                    treatment: around,
                });
            }
            b'[' => levels.push(Level {
                is_object: false,
                at_key: false,
                around: treatment,
                treatment,
            }),
            b'}' | b']' => drop(levels.pop()),
            b':' => {
                if let Some(level) = levels.last_mut() {
                    level.at_key = false;
                }
            }
            b',' => {
                if let Some(level) = levels.last_mut() {
                    level.at_key = level.is_object;
                }
            }
            _ => {}
        }
        masked.push(match (byte, treatment) {
            (b'0'..=b'9', Treatment::BlankAll) => b'1',
            _ => byte,
        });
        rest = after;
    }
    masked
}

/// How the value of a key is treated. The key may be written with escapes.
fn of_key(key: &[u8], around: Treatment) -> Treatment {
    let key = read(key);
    match around {
        Treatment::BlankAll => Treatment::BlankAll,
        _ if secret::is_named(&key) => Treatment::BlankAll,
        Treatment::Kept | Treatment::Address if key == ADDRESS => Treatment::Address,
        Treatment::Kept | Treatment::Address => Treatment::Kept,
        Treatment::Plain | Treatment::Blank if key == CALLED_WITH => Treatment::BlankAll,
        Treatment::Plain | Treatment::Blank if PLAIN.contains(&&*key) => Treatment::Plain,
        Treatment::Plain | Treatment::Blank => Treatment::Blank,
    }
}

/// A key as readers of JSON see it.
fn read(key: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(key);
    if !text.contains('\\') {
        return text;
    }
    let read = serde_json::from_str::<String>(&format!("\"{text}\""));
    read.map_or(text, Cow::Owned)
}

/// Writes an address with its user and everything from its query on blanked. One that is written with escapes is blanked
/// whole.
fn blank_address(text: &[u8], masked: &mut Vec<u8>) {
    let start = masked.len();
    masked.extend_from_slice(text);
    let written = masked.get_mut(start..).unwrap_or_default();
    if written.contains(&b'\\') {
        written.fill(b'x');
        return;
    }
    let query = written.iter().position(|byte| matches!(byte, b'?' | b'#'));
    let (address, query) = written.split_at_mut(query.unwrap_or(written.len()));
    query.iter_mut().skip(1).for_each(|byte| *byte = b'x');
    let host = address
        .windows(3)
        .position(|it| it == b"://")
        .map_or(0, |at| at + 3);
    let end = address.iter().skip(host).position(|byte| *byte == b'/');
    let end = end.map_or(address.len(), |end| host + end);
    if let Some(user) = address.get_mut(host..end)
        && let Some(at) = user.iter().rposition(|byte| *byte == b'@')
    {
        user.iter_mut().take(at).for_each(|byte| *byte = b'x');
    }
}

/// Where a string's closing quote is; the end, where there is none.
fn end_of_string(text: &[u8]) -> usize {
    let mut escaped = false;
    text.iter()
        .position(|byte| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes
        })
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(json: &str) -> String {
        let masked = mask(json.as_bytes(), Content::Masked);
        assert_eq!(masked.len(), json.len(), "byte for byte");
        String::from_utf8(masked).unwrap()
    }

    #[test]
    fn words_are_blanked_and_what_policies_decide_on_stays() {
        assert_eq!(
            masked(
                r#"{"model":"m","max_tokens":10,"system":"a \"b\" ü","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#
            ),
            r#"{"model":"m","max_tokens":10,"system":"xxxxxxxxxx","messages":[{"role":"user","content":[{"type":"text","text":"xx"}]}]}"#
        );
    }

    #[test]
    fn what_a_tool_was_called_with_is_blanked_whole_and_what_follows_is_not() {
        assert_eq!(
            masked(r#"{"input":{"name":"Ann","n":[1,-20.5e3]},"name":"tool","x":"y","n":12}"#),
            r#"{"input":{"name":"xxx","n":[1,-11.1e1]},"name":"tool","x":"x","n":12}"#
        );
    }

    #[test]
    fn a_plain_key_holds_for_its_own_value_only() {
        assert_eq!(
            masked(r#"{"betas":["a","b"],"stop_sequences":["c"],"type":{"text":"d"},"text":"e"}"#),
            r#"{"betas":["a","b"],"stop_sequences":["x"],"type":{"text":"x"},"text":"x"}"#
        );
    }

    #[test]
    fn a_secret_is_blanked_whole_however_its_key_is_spelt_and_wherever_it_is() {
        let json = r#"{"requests":[{"params":{"model":"m","mcp_servers":[{"name":"n","url":"https://u:p@h/a?k=v","authorization_\u0074oken":"abc"}],"x":{"apiKey":{"name":"b","n":[7]}},"max_tokens":5,"\u0069nput":{"name":"z"}}}]}"#;
        let kept = String::from_utf8(mask(json.as_bytes(), Content::Kept)).unwrap();
        assert_eq!(
            kept,
            r#"{"requests":[{"params":{"model":"m","mcp_servers":[{"name":"n","url":"https://xxx@h/a?xxx","authorization_\u0074oken":"xxx"}],"x":{"apiKey":{"name":"x","n":[1]}},"max_tokens":5,"\u0069nput":{"name":"z"}}}]}"#,
            "all else is kept"
        );
        let blanked = masked(json);
        assert!(
            blanked.contains(r#""apiKey":{"name":"x","n":[1]}"#),
            "{blanked}"
        );
        assert!(
            blanked.contains(r#""\u0069nput":{"name":"x"}"#),
            "{blanked}"
        );
        assert!(blanked.contains(r#""max_tokens":5"#), "{blanked}");
    }

    #[test]
    fn every_recorded_request_is_json_of_the_same_shape_afterwards() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/captures");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().ends_with(".body.json") {
                continue;
            }
            seen += 1;
            let body = std::fs::read(&path).unwrap();
            let masked = mask(&body, Content::Masked);
            assert_eq!(masked.len(), body.len(), "{}", path.display());
            let (before, after): (serde_json::Value, serde_json::Value) = (
                serde_json::from_slice(&body).unwrap(),
                serde_json::from_slice(&masked).unwrap(),
            );
            assert_eq!(before["model"], after["model"], "{}", path.display());
            for (a, b) in before["messages"]
                .as_array()
                .iter()
                .copied()
                .flatten()
                .zip(after["messages"].as_array().iter().copied().flatten())
            {
                assert_eq!(a["role"], b["role"], "{}", path.display());
                assert_ne!(a["content"], b["content"], "{}", path.display());
            }
        }
        assert!(seen > 20, "the recorded requests are there");
    }
}
