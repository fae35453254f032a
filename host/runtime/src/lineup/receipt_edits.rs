//! The application of a plugin's edits to receipts.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::contract::{Field, Receipt, ReceiptEdit, ReceiptEdits, Value};
use crate::hex;
use crate::pattern::Pattern;

/// The fields that no edit changes: a receipt without them proves nothing.
const PROTECTED: [&str; 2] = ["id", "outcome"];

/// The bytes of a keyed hash that are written.
const HASH_BYTES: usize = 8;

/// A change, prepared for many receipts.
enum Change {
    Drop(Vec<Pattern>),
    Keep(Vec<Pattern>),
    Hash(Vec<Pattern>, Box<Hmac<Sha256>>),
    Set(Field),
    Copy(String, String),
}

/// Applies edits to receipts, in order.
pub(super) fn apply<'a>(receipts: impl Iterator<Item = &'a mut Receipt>, edits: Vec<ReceiptEdits>) {
    if edits.is_empty() {
        return;
    }
    let edits: Vec<(Option<u32>, Vec<Change>)> = edits
        .into_iter()
        .map(|edits| {
            let changes = edits.changes.into_iter().map(Change::new);
            (edits.receipt, changes.collect())
        })
        .collect();
    for (index, receipt) in (0_u32..).zip(receipts) {
        let of_receipt = |given: &&(Option<u32>, Vec<Change>)| given.0.is_none_or(|it| it == index);
        let changes: Vec<&Change> = edits
            .iter()
            .filter(of_receipt)
            .flat_map(|(_, changes)| changes)
            .collect();
        // Copies are of the values before any edit.
        let copied: Vec<Option<Value>> = changes
            .iter()
            .map(|change| match change {
                Change::Copy(from, _) => receipt.field(from).cloned(),
                _ => None,
            })
            .collect();
        for (change, copied) in changes.into_iter().zip(copied) {
            change.apply(receipt, copied);
        }
    }
}

// === impl Change ===

impl Change {
    fn new(edit: ReceiptEdit) -> Self {
        let patterns = |list: Vec<String>| list.iter().map(|it| Pattern::new(it)).collect();
        match edit {
            ReceiptEdit::Drop(list) => Self::Drop(patterns(list)),
            ReceiptEdit::Keep(list) => Self::Keep(patterns(list)),
            ReceiptEdit::Hash(hashing) => {
                let fields = patterns(hashing.fields);
                match Hmac::new_from_slice(hashing.key.as_bytes()) {
                    Ok(key) => Self::Hash(fields, Box::new(key)),
                    // HMAC has no such keys; a value that can't be hashed is not written.
                    Err(_) => Self::Drop(fields),
                }
            }
            ReceiptEdit::Set(field) => Self::Set(field),
            ReceiptEdit::Copy((from, to)) => Self::Copy(from, to),
        }
    }

    fn apply(&self, receipt: &mut Receipt, copied: Option<Value>) {
        match self {
            Self::Drop(patterns) => receipt
                .fields
                .retain(|field| is_protected(&field.name) || !any(patterns, &field.name)),
            Self::Keep(patterns) => receipt
                .fields
                .retain(|field| is_protected(&field.name) || any(patterns, &field.name)),
            Self::Hash(patterns, key) => {
                for field in &mut receipt.fields {
                    if !is_protected(&field.name) && any(patterns, &field.name) {
                        field.value = Value::Text(hash(key, &field.value));
                    }
                }
            }
            Self::Set(field) => set(receipt, &field.name, field.value.clone()),
            Self::Copy(_, to) => {
                if let Some(value) = copied {
                    set(receipt, to, value);
                }
            }
        }
    }
}

fn is_protected(name: &str) -> bool {
    PROTECTED.contains(&name)
}

fn any(patterns: &[Pattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}

fn set(receipt: &mut Receipt, name: &str, value: Value) {
    if is_protected(name) {
        return;
    }
    match receipt.fields.iter_mut().find(|field| field.name == name) {
        Some(field) => field.value = value,
        None => receipt.fields.push(Field {
            name: name.to_owned(),
            value,
        }),
    }
}

/// Returns the first digits of the HMAC-SHA-256 (RFC 2104) of a value's text.
fn hash(key: &Hmac<Sha256>, value: &Value) -> String {
    let mut mac = key.clone();
    match value {
        Value::Text(text) => mac.update(text.as_bytes()),
        Value::Integer(number) => mac.update(number.to_string().as_bytes()),
        Value::Flag(flag) => mac.update(flag.to_string().as_bytes()),
    }
    let code = mac.finalize().into_bytes();
    hex(code.get(..HASH_BYTES).unwrap_or_default())
}
