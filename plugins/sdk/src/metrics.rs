//! Numbers on the host's metrics page, as `witgate_plugin_custom{plugin, name}`. Names are limited per plugin; one over
//! the limit is dropped and counted.
//!
//! In native tests the numbers are kept for [`testing::metric`](crate::testing).

/// Add to a counter.
pub fn count(name: &str, by: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::metrics::count(name, by);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::count(name, by);
}

/// Set a gauge.
pub fn gauge(name: &str, value: i64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::metrics::gauge(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::gauge(name, value);
}
