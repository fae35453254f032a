//! Native tests of plugins: made-up requests, and records of the plugin's calls to the host.
//!
//! All state is per thread, so tests can run in parallel.

mod grants;
mod host;
mod request;
mod scan;

pub(crate) use host::{count, gauge, kv, log, unix_ms};
pub use host::{logged, metric, set_clock};
pub(crate) use request::Fake;
pub use request::RequestBuilder;

#[cfg(test)]
mod tests;

use crate::{Plugin, Problems, settings};

/// Makes a plugin from the JSON text of its settings, exactly as the host does. To read only the settings, use
/// [`typed`](crate::typed). Neither needs a dependency on `serde_json`.
///
/// # Errors
///
/// Returns every problem of the settings.
pub fn configure<P: Plugin>(json: &str) -> Result<P, Problems> {
    settings::configure(json)
}
