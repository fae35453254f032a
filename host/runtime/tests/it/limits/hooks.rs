//! A hook's own limit holds for that hook and no other.

use witgate_runtime::FaultKind;

use super::returned::{Case, lists, texts};
use crate::guest::{Guest, VERSIONS};
use crate::request::{admit, alone, call, plain};

const HOOKS: [&str; 4] = ["envelope", "route", "budget", "audit"];

/// A guest's body from the fifth call of an instance on: four pass, as those of the smoke test do.
fn later(body: &str) -> String {
    format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.gt_u (global.get $calls) (i32.const 4)) (then {body}))"
    )
}

/// Each hook in turn has `strict` for itself beside the `loose` of all: it alone faults.
fn only_the_stricter_hook_faults(
    guests: &[Guest],
    hooks: &[&str],
    (loose, strict): (&str, &str),
    kind: FaultKind,
) {
    let cases = guests
        .iter()
        .flat_map(|guest| hooks.iter().map(move |hook| (guest, hook)));
    for (guest, stricter) in cases {
        // Enough of what the case is not about.
        let ample = [
            "configure_ms = 20000",
            "deadline_ms = 20000",
            "host_calls = 1000000",
        ];
        let key = loose.split(' ').next().unwrap();
        let ample: Vec<_> = ample
            .iter()
            .filter(|line| !line.starts_with(key))
            .copied()
            .collect();
        let ample = ample.join("\n");
        let sidecar = format!("[limits]\n{ample}\n{loose}\n[hooks.{stricter}]\n{strict}\n");
        let plugin = admit(guest, &sidecar);
        let lineup = alone(&plugin);
        let other = hooks
            .iter()
            .find(|hook| *hook != stricter)
            .expect("another");
        for _ in 0..4 {
            assert!(
                call(&lineup, other, &plain()).is_ok(),
                "the first four pass"
            );
        }
        for hook in hooks.iter().filter(|hook| *hook != stricter) {
            let answer = call(&lineup, hook, &plain());
            assert!(
                answer.is_ok(),
                "`{strict}` of {stricter} is not {hook}'s: {answer:?}"
            );
        }
        let fault = call(&lineup, stricter, &plain()).expect_err("it is over its own limit");
        assert_eq!(fault.kind, kind, "`{strict}` of {stricter}: {fault}");
    }
}

/// The same in every hook, of each version.
fn everywhere(body: &str) -> [Guest; 2] {
    let body = later(body);
    VERSIONS.map(|version| {
        HOOKS
            .iter()
            .fold(Guest::new(), |guest, hook| guest.with(hook, &body))
            .extra("(global $start (mut i32) (i32.const 0))")
            .version(version)
    })
}

#[test]
fn calls_to_the_host() {
    let guests = everywhere(&"(drop (call $unix_ms))".repeat(40));
    let limits = ("host_calls = 40", "host_calls = 39");
    only_the_stricter_hook_faults(&guests, &HOOKS, limits, FaultKind::HostCalls);
}

#[test]
fn bytes_copied() {
    // An empty table of settings is two letters of JSON.
    let guests = everywhere(&"(call $settings (i32.const 3072))".repeat(600));
    let limits = ("copy_bytes = 1200", "copy_bytes = 1199");
    only_the_stricter_hook_faults(&guests, &HOOKS, limits, FaultKind::CopyLimit);
}

#[test]
fn bytes_of_the_body() {
    let guests = everywhere(
        "(if (local.get $h) (then
           (call $body_read (local.get $h) (i64.const 0) (i32.const 5000) (i32.const 3072))))",
    );
    let limits = ("body_bytes = 5000", "body_bytes = 4999");
    only_the_stricter_hook_faults(&guests, &HOOKS[..3], limits, FaultKind::CopyLimit);
}

#[test]
fn time() {
    // 300 ms by the host's clock, asked every now and then.
    let guests = everywhere(
        "(global.set $start (i32.wrap_i64 (call $unix_ms)))
         (loop $long
           (local.set $i (i32.const 0))
           (loop $short (br_if $short (i32.lt_u
             (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
           (br_if $long (i32.lt_u
             (i32.sub (i32.wrap_i64 (call $unix_ms)) (global.get $start)) (i32.const 300))))",
    );
    let limits = ("deadline_ms = 20000", "deadline_ms = 5");
    only_the_stricter_hook_faults(&guests, &HOOKS, limits, FaultKind::Deadline);
}

/// The first case of each hook, of each version.
fn returning(cases: fn(&'static str, u32) -> Vec<Case>) -> [Guest; 2] {
    VERSIONS.map(|version| {
        let cases = cases(version, 100);
        HOOKS
            .iter()
            .fold(Guest::new(), |guest, hook| {
                let case = cases.iter().find(|(of, ..)| of == hook).expect("a case");
                // The other hooks have left their words where this one has its own.
                let clean = "(memory.fill (i32.const 4096) (i32.const 0) (i32.const 16384))";
                guest.with(hook, &format!("{clean} {}", case.2))
            })
            .version(version)
    })
}

#[test]
fn returned_elements() {
    let guests = returning(lists);
    let limits = ("list_items = 100", "list_items = 99");
    only_the_stricter_hook_faults(&guests, &HOOKS, limits, FaultKind::ReturnLimit);
}

#[test]
fn returned_bytes() {
    let guests = returning(texts);
    let limits = ("return_bytes = 100", "return_bytes = 99");
    only_the_stricter_hook_faults(&guests, &HOOKS, limits, FaultKind::ReturnLimit);
}
