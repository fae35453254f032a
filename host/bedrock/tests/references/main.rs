//! Comparisons with botocore and Anthropic's SDK, by what they made of the same inputs (`tests/fixtures`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the readers of the fixtures stand outside of test functions"
)]

mod recorded;
mod requests;
mod signatures;
mod streams;

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use witgate_bedrock::model::Geography;
use witgate_bedrock::request::{Asked, Untranslatable, translate};
use witgate_bedrock::{Models, OnRefused, Policy, Request};
use witgate_messages::Head;

/// Returns the bytes of a fixture.
fn bytes(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}

fn head(body: &[u8]) -> Head {
    Head::scan(Bytes::copy_from_slice(body)).unwrap()
}

/// Translates a body with the lines of `anthropic-beta`.
fn translated(
    asked: Asked,
    body: &[u8],
    betas: &[&str],
    on_refused: OnRefused,
) -> Result<Request, Untranslatable> {
    let header = |name: &str| match name {
        "anthropic-beta" => betas.to_vec(),
        _ => Vec::new(),
    };
    let models = Models::new(Geography::Eu, BTreeMap::new());
    translate(
        asked,
        &head(body),
        header,
        &models,
        &Policy::new(on_refused),
    )
}
