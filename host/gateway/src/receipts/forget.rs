//! The removal of fields from old receipts.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;
use witgate_audit::segments::Rule;

use crate::config::receipts_forget::Forget;

/// The bytes of a hash that are written, as those of the audit hook's edits.
const HASH_BYTES: usize = 8;

/// Returns the rule for closed segments. Its name says what it removes.
pub(super) fn rule(forget: &Forget) -> Rule {
    let named = |what: &str, names: &[String]| {
        let names = names.join(",");
        (!names.is_empty()).then(|| format!("{what}:{names}"))
    };
    let name = [named("drop", &forget.drop), named("hash", &forget.hash)];
    let name: Vec<_> = name.into_iter().flatten().collect();
    let age = forget.age;
    let forget = forget.clone();
    Rule {
        name: name.join("+"),
        age,
        edit: Arc::new(move |line| edit(&forget, line)),
    }
}

/// Removes the fields of a line. A line that is no JSON object is emptied, since what is in it can't be told.
fn edit(forget: &Forget, line: &[u8]) -> Vec<u8> {
    let Ok(Value::Object(mut receipt)) = serde_json::from_slice(line) else {
        return b"{\"id\":null}".to_vec();
    };
    for name in &forget.drop {
        at(&mut receipt, name, &mut |_| None);
    }
    for name in &forget.hash {
        at(&mut receipt, name, &mut |value| {
            Some(hashed(&forget.key, value))
        });
    }
    if receipt.is_empty() {
        return b"{\"id\":null}".to_vec();
    }
    Value::Object(receipt).to_string().into_bytes()
}

/// Replaces or removes what is at a dotted name, or all values below it if it ends with `.*`.
fn at(object: &mut Map<String, Value>, name: &str, change: &mut dyn FnMut(Value) -> Option<Value>) {
    if name == "*" {
        let members = std::mem::take(object);
        let changed = members
            .into_iter()
            .filter_map(|(name, value)| Some((name, each(value, change)?)));
        object.extend(changed);
        return;
    }
    match name.split_once('.') {
        Some((first, rest)) => {
            let Some(Value::Object(inside)) = object.get_mut(first) else {
                return;
            };
            at(inside, rest, change);
            if inside.is_empty() {
                object.shift_remove(first);
            }
        }
        None => {
            let Some(value) = object.get_mut(name) else {
                return;
            };
            match each(value.take(), change) {
                Some(new) => *value = new,
                None => {
                    object.shift_remove(name);
                }
            }
        }
    }
}

/// Changes a value, or each within an object. Returns `None` if nothing is left.
fn each(value: Value, change: &mut dyn FnMut(Value) -> Option<Value>) -> Option<Value> {
    match value {
        Value::Object(mut object) => {
            at(&mut object, "*", change);
            (!object.is_empty()).then_some(Value::Object(object))
        }
        other => change(other),
    }
}

fn hashed(key: &[u8], value: Value) -> Value {
    let text = match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Value::Null;
    };
    mac.update(text.as_bytes());
    let hash = mac.finalize().into_bytes();
    Value::String(hex::encode(hash.get(..HASH_BYTES).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn forgotten(drop: &[&str], hash: &[&str], receipt: &Value) -> Value {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let forget = Forget {
            age: Duration::ZERO,
            drop: names(drop),
            hash: names(hash),
            key: b"a key of some length".as_slice().into(),
        };
        let line = edit(&forget, receipt.to_string().as_bytes());
        serde_json::from_slice(&line).expect("JSON")
    }

    #[test]
    fn fields_are_dropped_and_hashed_by_their_dotted_names() {
        let receipt = json!({"id": "a", "client": {"address": "192.0.2.1"}, "user": "ann",
            "metadata": {"team": "blue", "more": {"ticket": "7"}}, "cost_picousd": 5});
        let left = forgotten(&["client.address", "nothing.there"], &["user"], &receipt);
        assert_eq!(
            left["client"],
            Value::Null,
            "an empty object goes, too: {left}"
        );
        let hash = left["user"].as_str().expect("a hash");
        assert!(hash.len() == 16 && hash != "ann", "{left}");
        assert_eq!(left["cost_picousd"], 5, "the rest stays: {left}");
        let again = forgotten(&[], &["user"], &receipt);
        assert_eq!(again["user"], left["user"], "the same value, the same hash");

        let all = forgotten(&["metadata.*"], &[], &receipt);
        assert_eq!(all["metadata"], Value::Null, "all below: {all}");
        let whole = forgotten(&["metadata"], &[], &receipt);
        assert_eq!(whole, all, "and the field itself");
        let hashed = forgotten(&[], &["metadata"], &receipt);
        assert_ne!(
            hashed["metadata"]["more"]["ticket"], "7",
            "each value: {hashed}"
        );
    }

    #[test]
    fn what_can_not_be_read_is_emptied() {
        let forget = Forget {
            age: Duration::ZERO,
            drop: Vec::new(),
            hash: Vec::new(),
            key: Vec::new().into(),
        };
        assert_eq!(
            edit(&forget, b"{\"user\":\"an"),
            b"{\"id\":null}",
            "no part of it"
        );
    }
}
