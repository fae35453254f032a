//! The contract as generated from `wit/`: the shared types and the host's imports once, and each hook's exports apart,
//! so that a plugin carries the exports of its own hooks only.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::unwrap_used,
    reason = "generated code"
)]

wit_bindgen::generate!({
    world: "imports",
    path: "wit",
    generate_unused_types: true,
    additional_derives: [PartialEq],
});

/// The exports of one hook, with the types above.
macro_rules! exports {
    ($module:ident, $world:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                world: $world,
                path: "wit",
                pub_export_macro: true,
                with: {
                    "witgate:plugin/types@0.3.0": crate::bindings::witgate::plugin::types,
                    "witgate:plugin/request@0.3.0": crate::bindings::witgate::plugin::request,
                    "witgate:plugin/caller@0.3.0": crate::bindings::witgate::plugin::caller,
                    "witgate:plugin/context@0.3.0": crate::bindings::witgate::plugin::context,
                    "witgate:plugin/upstreams@0.3.0": crate::bindings::witgate::plugin::upstreams,
                    "witgate:plugin/planned@0.3.0": crate::bindings::witgate::plugin::planned,
                    "witgate:plugin/receipts@0.3.0": crate::bindings::witgate::plugin::receipts,
                    "witgate:plugin/log@0.3.0": crate::bindings::witgate::plugin::log,
                    "witgate:plugin/metrics@0.3.0": crate::bindings::witgate::plugin::metrics,
                    "witgate:plugin/settings@0.3.0": crate::bindings::witgate::plugin::settings,
                    "witgate:plugin/clock@0.3.0": crate::bindings::witgate::plugin::clock,
                    "witgate:plugin/kv@0.3.0": crate::bindings::witgate::plugin::kv,
                },
            });
        }
    };
}

exports!(lifecycle, "lifecycle-plugin");
exports!(envelope, "envelope-plugin");
exports!(route, "route-plugin");
exports!(budget, "budget-plugin");
exports!(audit, "audit-plugin");
