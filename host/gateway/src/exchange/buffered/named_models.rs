//! Models of an upstream that has no list of its own: those that the operator named in its configuration.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use witgate_messages::page::{Item, Page};

/// The time at which a model began to be, as far as anybody knows.
const UNKNOWN: &str = "1970-01-01T00:00:00Z";

/// Returns the body of the answer to a request for the list of models or one of them; `None` for any other request, and where there is
/// no such name.
pub(super) fn body(names: &[&str], method: &Method, path: &str) -> Option<Bytes> {
    let path = path.split('?').next().unwrap_or_default();
    if *method != Method::GET || names.is_empty() {
        return None;
    }
    if path == "/v1/models" {
        let items: Vec<Item> = names.iter().map(|name| item(name)).collect();
        return Some(Page::write(&items, false));
    }
    let id = path.strip_prefix("/v1/models/")?;
    names.contains(&id).then(|| item(id).json)
}

fn item(name: &str) -> Item {
    Item {
        id: name.to_owned(),
        json: Bytes::from(model(name).to_string()),
    }
}

fn model(name: &str) -> Value {
    json!({"type": "model", "id": name, "display_name": name, "created_at": UNKNOWN})
}
