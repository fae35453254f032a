//! NAME: marks the receipts of expensive requests.

use serde::Deserialize;
use witgate_plugin::prelude::*;
use witgate_plugin::types::Field;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Minimum number of output tokens of an expensive request.
    expensive_from: i64,
}

witgate_plugin::plugin!(Settings => Audit: entries);

fn entries(settings: &Settings, mut receipts: Vec<Receipt>) -> Vec<Receipt> {
    for receipt in &mut receipts {
        let output = match receipt.field("usage.output_tokens") {
            Some(Value::Integer(tokens)) => *tokens,
            _ => 0,
        };
        receipt.fields.push(Field {
            name: "expensive".to_owned(),
            value: Value::Flag(output >= settings.expensive_from),
        });
    }
    receipts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_marked() {
        // `typed` is as strict as the host is with the settings of NAME.toml.
        let settings: Settings = witgate_plugin::typed(r#"{"expensive_from": 10}"#).unwrap();
        let receipt = |tokens| Receipt {
            id: "r1".to_owned(),
            fields: vec![Field {
                name: "usage.output_tokens".to_owned(),
                value: Value::Integer(tokens),
            }],
        };
        let written = entries(&settings, vec![receipt(9), receipt(10)]);
        assert_eq!(written[0].field("expensive"), Some(&Value::Flag(false)));
        assert_eq!(written[1].field("expensive"), Some(&Value::Flag(true)));
    }
}
