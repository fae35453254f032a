//! Metrics of the plugin's own on the host's metrics page, as `witgate_plugin_custom{plugin, name}`.
//!
//! They need the grant `metrics = true` in the sidecar. The number of names is limited per plugin; the host drops and
//! counts updates of further names. In native tests the values are kept for [`testing::metric`](crate::testing).

/// Adds to a counter, which starts at zero. The first call for a name makes it a counter or a gauge for good.
pub fn count(name: &str, by: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::metrics::count(name, by);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::count(name, by);
}

/// Sets a gauge.
pub fn gauge(name: &str, value: i64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::witgate::plugin::metrics::gauge(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::gauge(name, value);
}
