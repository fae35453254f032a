//! Receipts as records of OpenTelemetry logs, in the JSON form of OTLP.
//!
//! A record has the time of its exchange, a body of a few words, and the fields of the receipt as attributes under their dotted
//! names.

use serde_json::{Map, Value, json};

/// Returns the body of a request with these receipts. A line that is no JSON object becomes a record with that text.
pub(super) fn logs(lines: &[u8]) -> Vec<u8> {
    let lines = lines.split(|byte| *byte == b'\n');
    let records: Vec<Value> = lines
        .filter(|line| !line.is_empty())
        .map(|line| match serde_json::from_slice(line) {
            Ok(Value::Object(receipt)) => record(&receipt),
            _ => json!({"body": {"stringValue": String::from_utf8_lossy(line)}}),
        })
        .collect();
    let resource =
        json!({"attributes": [attribute("service.name", &json!({"stringValue": "witgate"}))]});
    let scope = json!({"name": "witgate.receipts"});
    let logs = json!({"resourceLogs": [{
        "resource": resource,
        "scopeLogs": [{"scope": scope, "logRecords": records}],
    }]});
    logs.to_string().into_bytes()
}

fn record(receipt: &Map<String, Value>) -> Value {
    let text = |name: &str| {
        receipt
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let millis = receipt.get("started_unix_ms").and_then(Value::as_u64);
    let nanos = millis
        .unwrap_or_default()
        .saturating_mul(1_000_000)
        .to_string();
    // The severities of the specification: INFO, WARN and ERROR.
    let (number, severity) = match text("outcome") {
        "answered" => (9, "INFO"),
        "upstream-error" | "stream-error" | "cut" => (17, "ERROR"),
        _ => (13, "WARN"),
    };
    let mut attributes = Vec::new();
    for (name, value) in receipt {
        flatten(name, value, &mut attributes);
    }
    json!({
        "timeUnixNano": nanos,
        "severityNumber": number,
        "severityText": severity,
        "body": {"stringValue": format!("{} {}", text("endpoint"), text("outcome"))},
        "attributes": attributes,
    })
}

/// Adds the values below a name.
fn flatten(name: &str, value: &Value, to: &mut Vec<Value>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, to);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                flatten(&format!("{name}.{index}"), value, to);
            }
        }
        Value::String(text) => to.push(attribute(name, &json!({"stringValue": text}))),
        Value::Bool(flag) => to.push(attribute(name, &json!({"boolValue": flag}))),
        // 64-bit numbers are texts in this form.
        Value::Number(number) => {
            to.push(attribute(name, &json!({"intValue": number.to_string()})));
        }
        Value::Null => {}
    }
}

fn attribute(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": value})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_becomes_a_record_with_its_fields_as_attributes() {
        let lines = b"{\"started_unix_ms\":1700000000123,\"endpoint\":\"messages\",\"outcome\":\"cut\",\
            \"usage\":{\"input_tokens\":12},\"attempts\":[{\"upstream\":\"a\"}],\"unpriced\":true}\nnothing of the kind\n";
        let logs: Value = serde_json::from_slice(&logs(lines)).unwrap();
        let scope = &logs["resourceLogs"][0]["scopeLogs"][0];
        let record = &scope["logRecords"][0];
        assert_eq!(record["timeUnixNano"], "1700000000123000000", "its time");
        assert_eq!(record["severityText"], "ERROR", "it went wrong");
        assert_eq!(record["body"]["stringValue"], "messages cut", "a few words");
        let attributes = record["attributes"].as_array().unwrap();
        for (key, value) in [
            ("usage.input_tokens", json!({"intValue": "12"})),
            ("attempts.0.upstream", json!({"stringValue": "a"})),
            ("unpriced", json!({"boolValue": true})),
        ] {
            let expected = attribute(key, &value);
            assert!(attributes.contains(&expected), "{key} in {record}");
        }
        let other = &scope["logRecords"][1]["body"]["stringValue"];
        assert_eq!(other, "nothing of the kind", "no line is lost");
    }
}
