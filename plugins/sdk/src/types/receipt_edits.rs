//! Edits of receipts.

use super::{Field, Hashing, ReceiptEdit, ReceiptEdits, Value};

// === impl ReceiptEdits ===

impl ReceiptEdits {
    /// Changes all receipts of a call.
    #[must_use]
    pub fn all(changes: Vec<ReceiptEdit>) -> Self {
        Self {
            receipt: None,
            changes,
        }
    }

    /// Changes one receipt, by its index.
    #[must_use]
    pub fn of(receipt: u32, changes: Vec<ReceiptEdit>) -> Self {
        Self {
            receipt: Some(receipt),
            changes,
        }
    }
}

// === impl ReceiptEdit ===

impl ReceiptEdit {
    /// Hashes the fields that match a pattern, with a key.
    #[must_use]
    pub fn hash(fields: Vec<String>, key: impl Into<String>) -> Self {
        Self::Hash(Hashing {
            fields,
            key: key.into(),
        })
    }

    /// Sets a field.
    #[must_use]
    pub fn set(name: impl Into<String>, value: Value) -> Self {
        Self::Set(Field {
            name: name.into(),
            value,
        })
    }

    /// Sets the field `to` to the value of the field `from`.
    #[must_use]
    pub fn copy(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self::Copy((from.into(), to.into()))
    }
}
