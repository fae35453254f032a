//! Benches, each with its baseline beside it.
