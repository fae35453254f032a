//! TOML files that people write, read into types with every problem reported at once, each with its line.
//!
//! [`parse`] reads a file's text into any `serde` type. Unknown keys, missing keys and values of the wrong type are all
//! collected in one [`Problems`]: a wrong value is replaced by a placeholder, so that it doesn't hide the next one.
//!
//! [`Document`] keeps the line of every key, so that a check that runs much later can still name it:
//!
//! ```
//! use witgate_config_file::Document;
//!
//! #[derive(serde::Deserialize)]
//! struct Config {
//!     port: u16,
//! }
//!
//! let document = Document::parse("server.toml", "# The public port.\nport = 80\n").unwrap();
//! let (config, mut problems) = document.read_known::<Config>().unwrap();
//! if config.port < 1024 {
//!     problems.push(document.problem("port", "use a port from 1024 to 65535"));
//! }
//! let problems = problems.into_result().unwrap_err();
//! assert_eq!(problems.to_string(), "server.toml:2: `port`: use a port from 1024 to 65535");
//! ```

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
