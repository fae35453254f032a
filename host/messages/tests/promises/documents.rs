//! Documents to read: recorded ones, and random ones in every spelling that JSON allows.

use proptest::collection::vec;
use proptest::prelude::*;

/// All recorded bodies, by name.
pub(crate) fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/captures");
    let mut bodies: Vec<_> = std::fs::read_dir(folder)
        .expect("the captures are there")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".body.json"))
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                std::fs::read(path).unwrap(),
            )
        })
        .collect();
    bodies.sort();
    assert!(bodies.len() > 30, "there are captures to read");
    bodies
}

fn blanks() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 2 => "[ \n\r\t]{1,3}", 1 => " {60,70}"]
}

/// The JSON text of a string, each character in one of its spellings.
pub(crate) fn spelled(text: &str, ways: &[u8]) -> String {
    let mut spelled = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        let way = ways.get(index % ways.len().max(1)).copied().unwrap_or(0);
        let short = match character {
            '"' => Some('"'),
            '\\' => Some('\\'),
            '/' => Some('/'),
            '\n' => Some('n'),
            '\r' => Some('r'),
            '\t' => Some('t'),
            '\u{8}' => Some('b'),
            '\u{c}' => Some('f'),
            _ => None,
        };
        let must = character < ' ' || character == '"' || character == '\\';
        match (way % 4, short) {
            (0 | 1, None) if !must => spelled.push(character),
            (0, Some('/')) => spelled.push('/'),
            (0 | 1, Some(short)) => spelled.extend(['\\', short]),
            (way, _) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    spelled += &if way == 2 {
                        format!("\\u{unit:04x}")
                    } else {
                        format!("\\u{unit:04X}")
                    };
                }
            }
        }
    }
    spelled + "\""
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => vec(any::<char>(), 0..12).prop_map(String::from_iter),
        2 => r#"[\\"/a{}\[\],:]{0,80}"#,
        1 => "[A-Za-z0-9+/]{0,3000}",
    ]
}

fn string() -> impl Strategy<Value = String> {
    (text(), vec(any::<u8>(), 1..5)).prop_map(|(text, ways)| spelled(&text, &ways))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        Just("-0.5e+10".into()),
        Just("0".into()),
        Just("1E5".into())
    ]
}

fn array(items: &[(String, String, String)], inner: &str) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|(a, item, b)| format!("{a}{item}{b}"))
        .collect();
    if items.is_empty() {
        format!("[{inner}]")
    } else {
        format!("[{}]", items.join(","))
    }
}

/// Any JSON value, as text.
pub(crate) fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number(),
        string()
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            (vec((blanks(), inner.clone(), blanks()), 0..5), blanks())
                .prop_map(|(items, inner)| array(&items, &inner)),
            vec((blanks(), string(), blanks(), inner, blanks()), 0..5).prop_map(|members| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(a, name, b, value, c)| format!("{a}{name}{b}:{b}{value}{c}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn tool() -> impl Strategy<Value = String> {
    (string(), value(), blanks()).prop_map(|(name, schema, b)| {
        format!("{{{b}\"name\":{b}{name},\"input_schema\":{schema},\"d\":\"x\"{b}}}")
    })
}

fn messages() -> impl Strategy<Value = String> {
    (vec((blanks(), value(), blanks()), 0..5), blanks())
        .prop_map(|(items, inner)| array(&items, &inner))
}

fn tools() -> impl Strategy<Value = String> {
    (vec((blanks(), tool(), blanks()), 0..4), blanks())
        .prop_map(|(items, inner)| array(&items, &inner))
}

/// A value that the policy member of this name may have, or any other.
fn value_of(name: &str) -> BoxedStrategy<String> {
    match name {
        "model" => prop_oneof![9 => string(), 1 => Just("null".to_owned()), 1 => value()].boxed(),
        "stream" => prop_oneof![
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
            value(),
        ]
        .boxed(),
        "max_tokens" => prop_oneof![
            3 => any::<u64>().prop_map(|n| n.to_string()),
            1 => (any::<u32>(), 0..9).prop_map(|(n, places)| format!("{n}e-{places}")),
            1 => (any::<u32>(), 0_usize..9).prop_map(|(n, zeros)| format!("{n}.{}", "0".repeat(1 + zeros))),
            1 => Just("null".to_owned()),
            1 => value(),
        ]
        .boxed(),
        "messages" => prop_oneof![9 => messages(), 1 => value()].boxed(),
        "tools" => prop_oneof![9 => tools(), 1 => Just("null".to_owned())].boxed(),
        "metadata" => prop_oneof![
            (string(), blanks()).prop_map(|(id, b)| format!("{{{b}\"user_i\\u0064\":{b}{id}{b}}}")),
            Just("{}".to_owned()),
            Just("null".to_owned()),
            value(),
        ]
        .boxed(),
        _ => value().boxed(),
    }
}

/// A request: any members in any order and spelling, each name once.
pub(crate) fn request() -> impl Strategy<Value = String> {
    const NAMES: [&str; 10] = [
        "model",
        "stream",
        "max_tokens",
        "messages",
        "tools",
        "metadata",
        "system",
        "vmx",
        "ünï\n\"",
        "x",
    ];
    proptest::sample::subsequence(NAMES.to_vec(), 0..=NAMES.len())
        .prop_shuffle()
        .prop_flat_map(|names| {
            let member = |name: &str| {
                let name = name.to_owned();
                let value = value_of(&name);
                (vec(0u8..8, 1..4), blanks(), blanks(), value).prop_map(
                    move |(mut ways, a, b, value)| {
                        // Most names are written plainly, as clients do.
                        ways.iter_mut().for_each(|way| *way = way.saturating_sub(4));
                        format!("{a}{}{b}:{a}{value}{b}", spelled(&name, &ways))
                    },
                )
            };
            let members: Vec<_> = names.into_iter().map(member).collect();
            (members, blanks(), blanks())
        })
        .prop_map(|(members, a, b)| {
            let inner = if members.is_empty() {
                a.clone()
            } else {
                members.join(",")
            };
            format!("{a}{{{inner}}}{b}")
        })
}
