//! A hook's own limit holds for that hook and no other.

use witgate_runtime::FaultKind;

use super::returned::{Case, lists, texts};
use crate::guest::{Guest, NEWEST, SUBSCRIBED, VERSIONS};
use crate::request::{admit, alone, call, plain};

const HOOKS: [&str; 5] = ["envelope", "route", "budget", "audit", "guard"];

/// A guest's body from the sixth call of an instance on: five pass, as those of the smoke test do.
fn later(body: &str) -> String {
    format!(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.gt_u (global.get $calls) (i32.const 5)) (then {body}))"
    )
}

/// Each hook in turn has `strict` for itself beside the `loose` of all: it alone faults.
fn only_the_stricter_hook_faults(
    guests: &[Guest],
    except: &[&str],
    (loose, strict): (&str, &str),
    kind: FaultKind,
) {
    let hooks = |guest: &Guest| -> Vec<&str> {
        let hooks = guest.hooks().filter(|hook| !except.contains(hook));
        hooks.collect()
    };
    let cases = guests
        .iter()
        .flat_map(|guest| hooks(guest).into_iter().map(move |hook| (guest, hook)));
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
        let other = hooks(guest).into_iter().find(|hook| *hook != stricter);
        for _ in 0..5 {
            assert!(
                call(&lineup, other.expect("another"), &plain()).is_ok(),
                "the first five pass"
            );
        }
        for hook in hooks(guest).into_iter().filter(|hook| *hook != stricter) {
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

/// Returns the hooks of a version of the contract.
fn all(version: &str) -> impl Iterator<Item = &'static str> {
    let guards = version == NEWEST;
    HOOKS
        .into_iter()
        .filter(move |hook| guards || *hook != "guard")
}

/// Returns a configuration that subscribes to texts where the version has a hook for them.
fn subscribed(version: &str) -> &'static str {
    if version == NEWEST { SUBSCRIBED } else { "" }
}

/// The same in every hook, of each version.
fn everywhere(body: &str) -> [Guest; 2] {
    let body = later(body);
    VERSIONS.map(|version| {
        all(version)
            .fold(Guest::new(), |guest, hook| guest.with(hook, &body))
            .with("lifecycle", subscribed(version))
            .extra("(global $start (mut i32) (i32.const 0))")
            .version(version)
    })
}

#[test]
fn calls_to_the_host() {
    let guests = everywhere(&"(drop (call $unix_ms))".repeat(40));
    let limits = ("host_calls = 40", "host_calls = 39");
    only_the_stricter_hook_faults(&guests, &[], limits, FaultKind::HostCalls);
}

#[test]
fn bytes_copied() {
    // An empty table of settings is two letters of JSON.
    let guests = everywhere(&"(call $settings (i32.const 3072))".repeat(600));
    let limits = ("copy_bytes = 1200", "copy_bytes = 1199");
    only_the_stricter_hook_faults(&guests, &[], limits, FaultKind::CopyLimit);
}

#[test]
fn bytes_of_the_body() {
    let guests = everywhere(
        "(if (local.get $h) (then
           (call $body_read (local.get $h) (i64.const 0) (i32.const 5000) (i32.const 3072))))",
    );
    let limits = ("body_bytes = 5000", "body_bytes = 4999");
    only_the_stricter_hook_faults(&guests, &["audit"], limits, FaultKind::CopyLimit);
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
    only_the_stricter_hook_faults(&guests, &[], limits, FaultKind::Deadline);
}

/// The first case of each hook, of each version.
fn returning(cases: fn(&'static str, u32) -> Vec<Case>) -> [Guest; 2] {
    VERSIONS.map(|version| {
        let cases = cases(version, 100);
        all(version)
            .filter_map(|hook| cases.iter().find(|(of, ..)| *of == hook))
            .fold(Guest::new(), |guest, case| {
                // The other hooks have left their words where this one has its own.
                let clean = "(memory.fill (i32.const 4096) (i32.const 0) (i32.const 16384))";
                guest.with(case.0, &format!("{clean} {}", case.2))
            })
            .with("lifecycle", subscribed(version))
            .version(version)
    })
}

#[test]
fn returned_elements() {
    let guests = returning(lists);
    let limits = ("list_items = 100", "list_items = 99");
    only_the_stricter_hook_faults(&guests, &[], limits, FaultKind::ReturnLimit);
}

#[test]
fn returned_bytes() {
    let guests = returning(texts);
    let limits = ("return_bytes = 100", "return_bytes = 99");
    only_the_stricter_hook_faults(&guests, &[], limits, FaultKind::ReturnLimit);
}
