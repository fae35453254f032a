//! The host's clocks. They have to be granted: `clock = true` in `[grants]` of the sidecar.
//!
//! In native tests both stand still, at what [`testing::set_clock`](crate::testing) said last.

/// Milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn unix_ms() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::witgate::plugin::clock::unix_ms();
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::unix_ms()
}

/// Nanoseconds since some moment in the past; never runs backwards.
#[must_use]
pub fn monotonic_ns() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::witgate::plugin::clock::monotonic_ns();
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::unix_ms().saturating_mul(1_000_000)
}
