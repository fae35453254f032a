//! Comparisons with Anthropic's SDKs, Claude Code and azure-identity, by what they made of the same inputs (`tests/fixtures`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the readers of the fixtures stand outside of test functions"
)]

mod captures;
mod clients;
mod questions;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;
use witgate_foundry::request::{Untranslatable, translate};
use witgate_foundry::{Models, OnRefused, Operation, Policy, Request};
use witgate_messages::Head;

/// Returns the path of a file of this crate.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn json(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap()
}

fn fixture(name: &str) -> Value {
    json(&file("tests/fixtures").join(name))
}

fn head(body: &[u8]) -> Head {
    Head::scan(Bytes::copy_from_slice(body)).unwrap()
}

/// Translates a body with the lines of `anthropic-beta` and a version.
fn translated(
    operation: Operation,
    body: &[u8],
    betas: &[&str],
    version: &str,
    on_refused: OnRefused,
) -> Result<Request, Untranslatable> {
    let header = |name: &str| match name {
        "anthropic-beta" => betas.to_vec(),
        "anthropic-version" => vec![version],
        _ => Vec::new(),
    };
    let policy = Policy::new(on_refused);
    translate(operation, &head(body), header, &Models::default(), &policy)
}
