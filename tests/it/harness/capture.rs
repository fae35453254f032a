//! Requests recorded from real clients, ready to be sent again.

use std::path::PathBuf;

use serde_json::Value;

use super::request::Request;
use super::wire::Headers;

/// A recorded request. Its credential was blacked out, and its host was the recorder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The file's name without its ending, such as `cc_text_01_POST_v1_messages`.
    pub name: String,
    pub request: Request,
    /// The body's hash as recorded, in hexadecimal; empty where there is no body.
    pub sha256: String,
}

// === impl Capture ===

impl Capture {
    /// Loads one by its file's name without the ending.
    pub fn load(name: &str) -> Self {
        let recorded = json(&folder().join(format!("{name}.json")));
        let text = |member: &str| recorded[member].as_str().unwrap_or_default().to_owned();
        let headers = recorded["headers"]
            .as_array()
            .expect("a capture has headers")
            .iter()
            .map(|line| {
                let part = |index: usize| {
                    line[index]
                        .as_str()
                        .expect("a header line is two strings")
                        .to_owned()
                };
                (part(0), part(1))
            });
        let body = match recorded["body_file"].as_str() {
            Some(file) => {
                std::fs::read(folder().join(file)).expect("a capture's body is beside it")
            }
            None => Vec::new(),
        };
        let request = Request {
            method: text("method"),
            target: text("target"),
            headers: Headers(headers.collect()),
            body,
        };
        Self {
            name: name.to_owned(),
            request,
            sha256: text("body_sha256"),
        }
    }

    /// Loads all of them, in the order in which they were recorded.
    pub fn all() -> Vec<Self> {
        let index = json(&folder().join("index.json"));
        let files = index.as_array().expect("the index is a list").iter();
        files
            .map(|entry| {
                Self::load(
                    entry["file"]
                        .as_str()
                        .expect("a file name")
                        .trim_end_matches(".json"),
                )
            })
            .collect()
    }

    /// The request for this host, with this key in every place where one was blacked out. All else stays as recorded.
    pub fn request_for(&self, host: &str, key: &str) -> Request {
        let mut request = self.request.clone();
        for (name, value) in &mut request.headers.0 {
            if name.eq_ignore_ascii_case("host") {
                host.clone_into(value);
            }
            *value = value.replace("<redacted>", key);
        }
        request
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures")
}

fn json(path: &std::path::Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
