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

/// The exports of one interface, with the types above. Its world has no imports, because every component carries a description
/// of all of these worlds.
macro_rules! exports {
    ($module:ident, $inline:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                inline: $inline,
                path: "wit",
                pub_export_macro: true,
                disable_custom_section_link_helpers: true,
                additional_derives: [PartialEq],
                with: {
                    "witgate:plugin/types@0.3.0": crate::bindings::witgate::plugin::types,
                },
            });
        }
    };
}

exports!(
    lifecycle,
    "package witgate:sdk; world lifecycle { export witgate:plugin/lifecycle@0.3.0; }"
);
exports!(
    envelope,
    "package witgate:sdk; world envelope { export witgate:plugin/envelope@0.3.0; }"
);
exports!(
    guard,
    "package witgate:sdk; world guard { export witgate:plugin/guard@0.3.0; }"
);
exports!(
    translate,
    "package witgate:sdk; world translate { export witgate:plugin/translate@0.3.0; }"
);
exports!(
    route,
    "package witgate:sdk; world route { export witgate:plugin/route@0.3.0; }"
);
exports!(
    budget,
    "package witgate:sdk; world budget { export witgate:plugin/budget@0.3.0; }"
);
exports!(
    audit,
    "package witgate:sdk; world audit { export witgate:plugin/audit@0.3.0; }"
);
