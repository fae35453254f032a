//! NAME: marks the receipts of expensive requests.

use serde::Deserialize;
use witgate_plugin::prelude::*;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Minimum number of output tokens of an expensive request.
    expensive_from: i64,
}

witgate_plugin::plugin!(Settings => Audit: edit);

fn edit(settings: &Settings, receipts: &Receipts) -> Vec<ReceiptEdits> {
    let is_expensive = |receipt: &u32| match receipts.field(*receipt, "usage.output_tokens") {
        Some(Value::Integer(tokens)) => tokens >= settings.expensive_from,
        _ => false,
    };
    let mark = |receipt| {
        let mark = ReceiptEdit::set("expensive", Value::Flag(true));
        ReceiptEdits::of(receipt, vec![mark])
    };
    (0..receipts.count()).filter(is_expensive).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use witgate_plugin::testing;
    use witgate_plugin::types::Field;

    #[test]
    fn a_long_answer_is_marked() {
        // `typed` is as strict as the host is with the settings of NAME.toml.
        let settings: Settings = witgate_plugin::typed(r#"{"expensive_from": 10}"#).unwrap();
        let receipt = |tokens| {
            vec![Field {
                name: "usage.output_tokens".to_owned(),
                value: Value::Integer(tokens),
            }]
        };
        let edits = edit(&settings, &testing::receipts(vec![receipt(9), receipt(10)]));
        let mark = ReceiptEdit::set("expensive", Value::Flag(true));
        assert_eq!(edits, [ReceiptEdits::of(1, vec![mark])]);
    }
}
