//! Native tests of plugins: requests made by hand, and what the plugin did to its host.
//!
//! Everything is kept per thread, so tests may run beside each other.

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

/// Make a plugin from its settings as JSON text, exactly as the host would. Settings alone are read by
/// [`typed`](crate::typed); neither needs a dependency on `serde_json`.
///
/// # Errors
/// Everything wrong with the settings.
pub fn configure<P: Plugin>(json: &str) -> Result<P, Problems> {
    settings::configure(json)
}
