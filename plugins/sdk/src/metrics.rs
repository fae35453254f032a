//! Numbers on the host's metrics page, as `witgate_plugin_custom{plugin, name}`. Names are limited per plugin; one over
//! the limit is dropped and counted. They have to be granted: `metrics = true` in `[grants]` of the sidecar.
//!
//! In native tests the numbers are kept for [`testing::metric`](crate::testing).

/// Add to a counter, which starts at zero. A name is a counter or a gauge, as its first call says.
pub fn count(name: &str, by: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::metrics::count(name, by);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::count(name, by);
}

/// Set a gauge, which shows what was set last.
pub fn gauge(name: &str, value: i64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::metrics::gauge(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::gauge(name, value);
}
