//! A receipt as a line of JSON.

use serde_json::{Map, Value as Json};
use witgate_runtime::{Receipt, Value};

/// Writes a receipt as one line of JSON: dotted names become objects, in the order of the fields.
pub(crate) fn line(receipt: &Receipt) -> Vec<u8> {
    Json::Object(tree(receipt)).to_string().into_bytes()
}

/// Returns the JSON object of a receipt.
pub(crate) fn tree(receipt: &Receipt) -> Map<String, Json> {
    let mut root = Map::new();
    for field in &receipt.fields {
        let value = match &field.value {
            Value::Text(text) => Json::from(text.as_str()),
            Value::Integer(number) => Json::from(*number),
            Value::Flag(flag) => Json::from(*flag),
        };
        place(&mut root, MAX_DEPTH, &field.name, value);
    }
    root
}

/// Deepest nesting of objects. Callers choose some names, and readers of receipts may recurse.
const MAX_DEPTH: usize = 8;

/// Inserts a value at a dotted name. If a plain value has a prefix of the name, or the nesting is too deep, the rest stays
/// dotted.
fn place(object: &mut Map<String, Json>, levels: usize, name: &str, value: Json) {
    if let Some(levels) = levels.checked_sub(1)
        && let Some((first, rest)) = name.split_once('.')
        && !first.is_empty()
        && !rest.is_empty()
    {
        let inner = object
            .entry(first)
            .or_insert_with(|| Json::Object(Map::new()));
        if let Json::Object(inner) = inner {
            place(inner, levels, rest, value);
            return;
        }
    }
    object.insert(name.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use witgate_runtime::Field;

    use super::*;

    fn field(name: &str, value: Value) -> Field {
        Field {
            name: name.into(),
            value,
        }
    }

    #[test]
    fn a_name_of_many_dots_is_no_deep_object() {
        let receipt = Receipt {
            id: "r".into(),
            fields: vec![field(&"a.".repeat(200_000), Value::Integer(1))],
        };
        let line = String::from_utf8(line(&receipt)).unwrap();
        assert_eq!(
            line.matches('{').count(),
            1 + MAX_DEPTH,
            "so deep and no deeper"
        );
    }

    #[test]
    fn dotted_names_become_objects_and_clashing_ones_stay_dotted() {
        let receipt = Receipt {
            id: "r".into(),
            fields: vec![
                field("a", Value::Text("plain\nline".into())),
                field("a.b", Value::Integer(1)),
                field("c.d.e", Value::Flag(true)),
                field("c.d.f", Value::Integer(-2)),
                field(".x", Value::Integer(3)),
            ],
        };
        let line = String::from_utf8(line(&receipt)).unwrap();
        assert_eq!(
            line, r#"{"a":"plain\nline","a.b":1,"c":{"d":{"e":true,"f":-2}},".x":3}"#,
            "one line of JSON, in the order of the fields"
        );
    }
}
