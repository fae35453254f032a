//! The audit hook in another language than Rust.

use witgate_runtime::{Field, Receipt, Value};

use super::{admit, alone, patient, source};

fn receipt(id: &str, fields: &[(&str, Value)]) -> Receipt {
    let fields = fields.iter().map(|(name, value)| Field {
        name: (*name).to_owned(),
        value: value.clone(),
    });
    Receipt {
        id: id.to_owned(),
        fields: fields.collect(),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
#[ignore = "make languages builds what it needs"]
fn a_plugin_in_python_edits_all_receipts_and_single_ones() {
    let receipts = vec![
        receipt(
            "answered",
            &[
                ("user", text("ann")),
                ("client.address", text("192.0.2.7")),
                ("usage.output_tokens", Value::Integer(7)),
            ],
        ),
        receipt("refused", &[("refusal.blame", text("policy"))]),
        receipt("failed", &[("refusal.blame", text("upstream"))]),
    ];
    let plugin = admit(&patient(source("private-receipts")));
    // Twice: an instance that served is as good as a new one.
    for round in 1..=2 {
        let entries = alone(&plugin).audit(receipts.clone(), |_| true);
        let notes: Vec<_> = entries.iter().flat_map(|entry| &entry.notes).collect();
        assert!(notes.is_empty(), "round {round}: it serves: {notes:?}");
        let written: Vec<_> = entries.into_iter().map(|entry| entry.receipt).collect();
        let expected = [
            receipt(
                "answered",
                &[
                    // HMAC-SHA-256 of `ann` under the key of the sidecar.
                    ("user", text("c29b6574aa75b7fd")),
                    ("usage.output_tokens", Value::Integer(7)),
                ],
            ),
            receipt(
                "refused",
                &[
                    ("refusal.blame", text("policy")),
                    ("review", Value::Flag(true)),
                ],
            ),
            receipt("failed", &[("refusal.blame", text("upstream"))]),
        ];
        assert_eq!(written, expected, "round {round}");
    }
}
