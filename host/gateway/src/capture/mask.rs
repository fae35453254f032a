//! Masks the text that people wrote in a request body byte for byte, so that its size, its shape and the values on which
//! plugins decide stay.
//!
//! Each byte of a string value becomes `x`, except for values whose key is in [`PLAIN`]. The input of a tool call is masked
//! completely, and so is everything under a key whose name denotes a secret: there the digits of numbers become `1`, and no
//! key is plain. Keys are never masked. Secrets are masked even in content that is kept.

use std::borrow::Cow;

use super::{Content, secret};

/// Keys whose values are not text that people wrote, and on which policies decide.
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

/// The key of a tool call's input.
const TOOL_INPUT: &str = "input";

/// The key of a URL, whose user and query may be secret.
const URL: &str = "url";

/// The treatment of strings and numbers in a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Strings stay, and so do those in nested values unless their key denotes a secret.
    Kept,
    /// Strings stay except for the secret parts of a URL.
    Url,
    /// Strings stay; nested values are masked.
    Plain,
    /// Strings are masked.
    Mask,
    /// Strings and numbers are masked, in nested values, too.
    MaskAll,
}

/// An object or array around the current position.
struct Level {
    is_object: bool,
    /// True if the next string is a key.
    at_key: bool,
    /// Treatment of values whose key has none of its own.
    around: Treatment,
    /// Treatment of the next values.
    treatment: Treatment,
}

/// Returns the masked body, which has the same length.
pub(super) fn mask(json: &[u8], content: Content) -> Vec<u8> {
    let top = match content {
        Content::Masked => Treatment::Mask,
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
                _ if treatment == Treatment::Url => mask_url(text, &mut masked),
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
                    Treatment::MaskAll => Treatment::MaskAll,
                    Treatment::Kept | Treatment::Url => Treatment::Kept,
                    Treatment::Plain | Treatment::Mask => Treatment::Mask,
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
            (b'0'..=b'9', Treatment::MaskAll) => b'1',
            _ => byte,
        });
        rest = after;
    }
    masked
}

/// Returns the treatment of a key's value. The key may contain escapes.
fn of_key(key: &[u8], around: Treatment) -> Treatment {
    let key = read(key);
    match around {
        Treatment::MaskAll => Treatment::MaskAll,
        _ if secret::is_named(&key) => Treatment::MaskAll,
        Treatment::Kept | Treatment::Url if key == URL => Treatment::Url,
        Treatment::Kept | Treatment::Url => Treatment::Kept,
        Treatment::Plain | Treatment::Mask if key == TOOL_INPUT => Treatment::MaskAll,
        Treatment::Plain | Treatment::Mask if PLAIN.contains(&&*key) => Treatment::Plain,
        Treatment::Plain | Treatment::Mask => Treatment::Mask,
    }
}

/// Returns a key without escapes.
fn read(key: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(key);
    if !text.contains('\\') {
        return text;
    }
    let read = serde_json::from_str::<String>(&format!("\"{text}\""));
    read.map_or(text, Cow::Owned)
}

/// Appends a URL with its user and everything from its query on masked. A URL that contains escapes is masked completely.
fn mask_url(text: &[u8], masked: &mut Vec<u8>) {
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

/// Returns the position of a string's closing quote, or the end of the text if there is none.
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
