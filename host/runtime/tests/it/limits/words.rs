//! The text of a fault: the limit that was passed, and the key that raises it.

use crate::guest::{Guest, VERSIONS, on_probe};
use crate::request::{PATIENT, admit, probing, route_fault};

#[test]
fn every_limit_says_its_number_and_its_key() {
    let forty = "(loop $l (drop (call $unix_ms))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 40))))";
    let read = "(call $body_read (local.get $h) (i64.const 0) (i32.const 5000) (i32.const 3072))";
    let grow = "(if (i32.eq (memory.grow (i32.const 32)) (i32.const -1)) (then unreachable))";
    let settings = "(call $settings (i32.const 3072))".repeat(600);
    for (body, limit, told) in [
        (
            "(loop $l (br $l))",
            "[hooks.route]\ndeadline_ms = 30",
            "ran longer than 30 ms; do less work, or raise `deadline_ms` in [limits]",
        ),
        (
            forty,
            "host_calls = 40",
            "more than 40 calls to the host; call once and keep the result, or raise `host_calls` in [limits]",
        ),
        (
            read,
            "body_bytes = 4999",
            "more than 4999 bytes of the body read; read less, or raise `body_bytes` in [limits]",
        ),
        (
            settings.as_str(),
            "copy_bytes = 1024",
            "more than 1024 bytes copied between host and plugin; read less, or raise `copy_bytes` in [limits]",
        ),
        (
            grow,
            "memory_bytes = 2228223",
            "and the limit is 2228223; use less, or raise `memory_bytes` in [limits]",
        ),
        (
            "(call $dive)",
            "",
            "it used up its stack, whose size is the same for all plugins; recurse less",
        ),
    ] {
        for version in VERSIONS {
            let guest = Guest::route(&on_probe(body))
                .extra("(func $dive (call $dive) (global.set $calls (i32.const 0)))")
                .version(version);
            let plugin = admit(&guest, &format!("{PATIENT}{limit}"));
            let fault = route_fault(&plugin, &probing()).to_string();
            assert!(
                fault.contains(told),
                "{version}: {told:?} is told in {fault}"
            );
        }
    }
}
