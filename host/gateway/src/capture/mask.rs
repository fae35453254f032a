//! Blanks what people wrote in a request's body, byte for byte, so that sizes, shapes and what plugins decide on stay.
//!
//! Each byte of a string value becomes `x`, but for values whose key is in [`PLAIN`]. What a tool was called with is
//! blanked whole: there the digits of numbers become `1`, and no key is plain. Keys stay.

/// Keys whose values are what policies decide on, and nobody's words.
const PLAIN: [&[u8]; 18] = [
    b"betas",
    b"container",
    b"effort",
    b"file_id",
    b"format",
    b"id",
    b"inference_geo",
    b"media_type",
    b"mode",
    b"model",
    b"name",
    b"role",
    b"service_tier",
    b"speed",
    b"tool_use_id",
    b"ttl",
    b"type",
    b"user_id",
];

/// The key whose value is what a tool was called with.
const CALLED_WITH: &[u8] = b"input";

/// How strings and numbers of a value are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Treatment {
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
pub(super) fn mask(json: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(json.len());
    let mut levels: Vec<Level> = Vec::new();
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        let treatment = levels
            .last()
            .map_or(Treatment::Blank, |level| level.treatment);
        if byte == b'"' {
            let end = end_of_string(after);
            let (text, behind) = after.split_at(end);
            masked.push(b'"');
            match levels.last_mut() {
                Some(level) if level.at_key => {
                    level.treatment = of_key(text, level.around);
                    masked.extend_from_slice(text);
                }
                _ if treatment == Treatment::Plain => masked.extend_from_slice(text),
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

/// How the value of a key is treated.
fn of_key(key: &[u8], around: Treatment) -> Treatment {
    match around {
        Treatment::BlankAll => Treatment::BlankAll,
        Treatment::Plain | Treatment::Blank if key == CALLED_WITH => Treatment::BlankAll,
        Treatment::Plain | Treatment::Blank if PLAIN.contains(&key) => Treatment::Plain,
        Treatment::Plain | Treatment::Blank => Treatment::Blank,
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
        let masked = mask(json.as_bytes());
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
            let masked = mask(&body);
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
