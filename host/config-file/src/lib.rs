#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod check;
mod document;
mod path;
mod problem;
mod reader;
mod value_error;

use serde::de::DeserializeOwned;

pub use crate::check::Check;
pub use crate::document::Document;
pub use crate::problem::{Problem, Problems};

/// Reads a file's text into `T`. Unknown keys are problems.
///
/// # Errors
///
/// Returns every unknown key, every missing key and every value of a wrong type; or the syntax error, if the text is
/// not TOML.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problems> {
    Document::parse(file, text)?.read()
}
