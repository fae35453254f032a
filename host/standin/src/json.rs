//! The JSON of the stand-in's own records.

use serde::Serialize;

/// Writes a record as JSON.
pub(super) fn to_json(record: &impl Serialize) -> String {
    // The records have string keys and no foreign `Serialize` inside, so this cannot fail; an empty body would show.
    serde_json::to_string(record).unwrap_or_default()
}
