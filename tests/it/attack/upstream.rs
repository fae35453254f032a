//! Upstreams that mean harm.
