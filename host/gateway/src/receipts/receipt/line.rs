//! A receipt as a line of JSON.

use serde_json::{Map, Value as Json};
use smallvec::{SmallVec, smallvec};
use witgate_runtime::{Field, Receipt, Value};

use crate::text::is_plain;

/// Appends a receipt as one line of JSON: dotted names become objects, in the order of the fields.
pub(crate) fn write_line(receipt: &Receipt, out: &mut Vec<u8>) {
    let start = out.len();
    out.reserve(2048);
    if write_in_order(&receipt.fields, out).is_none() {
        out.truncate(start);
        out.extend_from_slice(Json::Object(tree(receipt)).to_string().as_bytes());
    }
}

/// Appends fields as one line of JSON without building a tree, or returns `None` after a part of it if an object would have to be
/// opened again, or has the name of a plain value.
pub(super) fn write_in_order(fields: &[Field], out: &mut Vec<u8>) -> Option<()> {
    Writer::new(out).write(fields)
}

/// Writes fields whose objects come one after the other, as those of nearly all receipts do, without building them.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// The names of the objects that are open, from the outermost.
    open: SmallVec<[&'a str; MAX_DEPTH]>,
    /// The names in the receipt and in each of these objects.
    used: SmallVec<[Names<'a>; 3]>,
}

type Names<'a> = SmallVec<[&'a str; 24]>;

// === impl Writer ===

impl<'a> Writer<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            open: SmallVec::new(),
            used: smallvec![Names::new()],
        }
    }

    /// Writes all fields, or returns `None` if an object would have to be opened again, or has the name of a plain value.
    fn write(mut self, fields: &'a [Field]) -> Option<()> {
        for field in fields {
            let (mut depth, mut name) = (0, field.name.as_str());
            while depth < MAX_DEPTH
                && let Some((first, rest)) = split(name)
            {
                if self.open.get(depth) != Some(&first) {
                    self.close(depth);
                    self.key(first)?;
                    self.out.push(b'{');
                    self.open.push(first);
                    self.used.push(Names::new());
                }
                (depth, name) = (depth + 1, rest);
            }
            self.close(depth);
            self.key(name)?;
            match &field.value {
                Value::Text(text) => write_text(text, self.out)?,
                Value::Integer(number) => {
                    let mut digits = itoa::Buffer::new();
                    self.out
                        .extend_from_slice(digits.format(*number).as_bytes());
                }
                Value::Flag(true) => self.out.extend_from_slice(b"true"),
                Value::Flag(false) => self.out.extend_from_slice(b"false"),
            }
        }
        self.close(0);
        self.out.push(b'}');
        Some(())
    }

    /// Closes the objects below a depth.
    fn close(&mut self, depth: usize) {
        while self.open.len() > depth {
            self.open.pop();
            self.used.pop();
            self.out.push(b'}');
        }
    }

    /// Writes the name of a member, or returns `None` if its object has one of this name already.
    fn key(&mut self, name: &'a str) -> Option<()> {
        let used = self.used.last_mut()?;
        if used.contains(&name) {
            return None;
        }
        if !used.is_empty() {
            self.out.push(b',');
        }
        used.push(name);
        write_text(name, self.out)?;
        self.out.push(b':');
        Some(())
    }
}

/// Appends a text as a JSON string.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    if !is_plain(text) {
        return serde_json::to_writer(out, text).ok();
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Some(())
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

/// Splits a dotted name into its first part and the rest, or returns `None` if it is not dotted.
fn split(name: &str) -> Option<(&str, &str)> {
    let dot = name.bytes().position(|byte| byte == b'.')?;
    let (first, rest) = (name.get(..dot)?, name.get(dot + 1..)?);
    (!first.is_empty() && !rest.is_empty()).then_some((first, rest))
}

/// Deepest nesting of objects. Callers choose some names, and readers of receipts may recurse.
const MAX_DEPTH: usize = 8;

/// Inserts a value at a dotted name. If a plain value has a prefix of the name, or the nesting is too deep, the rest stays
/// dotted.
fn place(object: &mut Map<String, Json>, levels: usize, name: &str, value: Json) {
    if let Some(levels) = levels.checked_sub(1)
        && let Some((first, rest)) = split(name)
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
    use super::*;

    fn line(receipt: &Receipt) -> Vec<u8> {
        let mut out = b"before".to_vec();
        write_line(receipt, &mut out);
        out.split_off(6)
    }

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

    #[test]
    fn a_line_is_the_text_of_its_tree_in_whatever_order_the_fields_are() {
        let names = [
            "a",
            "a.b",
            "a.c",
            "a.b.c",
            "b",
            "b.a",
            "a..b",
            "a.",
            ".a",
            "c.d.e.f.g.h.i.j.k.l",
            "c.d.e.f.g.h.i.j.k.m",
            "c.d",
            "\"q\\\n",
        ];
        let values = [
            Value::Text("x\u{1}\"\\é".into()),
            Value::Integer(i64::MIN),
            Value::Flag(false),
        ];
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..2_000 {
            let fields = (0..next(8))
                .map(|_| field(names[next(names.len())], values[next(values.len())].clone()));
            let receipt = Receipt {
                id: "r".into(),
                fields: fields.collect(),
            };
            let expected = Json::Object(tree(&receipt)).to_string();
            assert_eq!(
                String::from_utf8(line(&receipt)).unwrap(),
                expected,
                "{:?}",
                receipt.fields
            );
        }
    }
}
