//! The host's clocks. They need the grant `clock = true` in the sidecar.
//!
//! In native tests both clocks stand still, at the time of the last [`testing::set_clock`](crate::testing).

/// Returns the time in milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn unix_ms() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::witgate::plugin::clock::unix_ms();
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::unix_ms()
}

/// Returns the nanoseconds since an unspecified moment. The value never decreases.
#[must_use]
pub fn monotonic_ns() -> u64 {
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::witgate::plugin::clock::monotonic_ns();
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::unix_ms().saturating_mul(1_000_000)
}
