//! The bare contract, as generated from `wit/`.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated code"
)]

wit_bindgen::generate!({
    world: "plugin",
    path: "../../wit",
});
