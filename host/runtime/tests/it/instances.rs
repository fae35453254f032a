//! The reuse and the number of instances.

use std::sync::{Arc, Barrier};
use std::thread;

use parking_lot::Mutex;
use witgate_runtime::{Allocation, FaultKind, Plugin, Rejection, Runtime, RuntimeOptions};

use crate::guest::{Guest, PLAN, PROBE, on_probe};
use crate::request::{PATIENT, admit, answering, plain, probing, route, route_fault, source};

/// Gives a plan only to the second and later calls of one instance.
const REMEMBERS: &str = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))";

fn remembering() -> Guest {
    Guest::route(&format!(
        "{REMEMBERS} (if (i32.gt_u (global.get $calls) (i32.const 1)) (then {PLAN}))"
    ))
    .with("lifecycle", "")
}

#[test]
fn a_reused_instance_is_configured_once_and_remembers() {
    let plugin = admit(&remembering(), PATIENT);
    for call in 0..5 {
        let plan = route(&plugin, &plain()).expect("it serves");
        assert_eq!(
            plan.is_some(),
            call > 0,
            "it remembers its calls, and no smoke test"
        );
    }
    let figures = plugin.metrics();
    assert_eq!(figures.instances_created, 1, "one instance serves");
    assert_eq!(figures.configured, 1, "and was configured once");
}

#[test]
fn a_fresh_instance_is_pristine_in_every_call() {
    let plugin = admit(&remembering(), &format!("instances = \"fresh\"\n{PATIENT}"));
    for _ in 0..5 {
        let plan = route(&plugin, &plain()).expect("it serves");
        assert!(plan.is_none(), "it remembers nothing");
    }
    let figures = plugin.metrics();
    assert_eq!(figures.instances_created, 5, "one for each call");
    assert_eq!(figures.configured, 1, "configured for all of them at once");
    assert_eq!(plugin.live_instances(), 0, "none is kept");
}

#[test]
fn an_instance_is_replaced_after_its_number_of_calls() {
    let plugin = admit(&remembering(), &format!("{PATIENT}recycle_after = 3"));
    let remembered: Vec<bool> = (0..5)
        .map(|_| route(&plugin, &plain()).expect("it serves").is_some())
        .collect();
    assert_eq!(
        remembered,
        [false, true, true, false, true],
        "the fourth call is the first of another instance"
    );
    assert_eq!(plugin.metrics().recycled, 1, "one was replaced");
}

#[test]
fn a_fault_replaces_the_instance() {
    let plugin = admit(&Guest::route(&on_probe("unreachable")), PATIENT);
    route_fault(&plugin, &probing());
    assert_eq!(plugin.live_instances(), 0, "the instance is gone");
    assert!(route(&plugin, &plain()).is_ok(), "another serves");
    assert_eq!(
        plugin.metrics().instances_created,
        2,
        "it was made for that"
    );
}

#[test]
fn two_slow_calls_of_one_plugin_overlap() {
    let plugin = admit(&Guest::route(PROBE), PATIENT);
    // Both calls are inside the guest when this opens; one after the other, neither would ever end.
    let both = Arc::new(Barrier::new(2));
    thread::scope(|scope| {
        for _ in 0..2 {
            let both = Arc::clone(&both);
            let request = answering(move |_| {
                both.wait();
                None
            });
            let plugin = &plugin;
            scope.spawn(move || {
                assert!(route(plugin, &request).is_ok(), "each is served");
            });
        }
    });
    assert_eq!(plugin.live_instances(), 2, "by an instance of its own");
}

#[test]
fn more_calls_than_instances_are_load_to_shed() {
    let plugin = admit(
        &Guest::route(PROBE),
        &format!("{PATIENT}live_instances = 1"),
    );
    let second = Arc::new(Mutex::new(Vec::new()));
    let (inner, seen) = (Arc::clone(&plugin), Arc::clone(&second));
    // While the only instance is in this call, more calls come.
    let request = answering(move |_| {
        for _ in 0..5 {
            match route(&inner, &plain()) {
                Err(Rejection::Fault(fault)) => seen.lock().push(fault.kind),
                other => panic!("there is no second instance: {other:?}"),
            }
        }
        None
    });
    assert!(route(&plugin, &request).is_ok(), "the first call goes well");
    assert_eq!(
        *second.lock(),
        [FaultKind::Exhausted; 5],
        "the others are shed"
    );
    assert_eq!(plugin.suspended(), None, "which isn't the plugin's fault");
    assert!(
        route(&plugin, &plain()).is_ok(),
        "with room again, it serves"
    );
}

#[test]
fn a_machine_without_room_for_a_pool_serves_on_demand() {
    let options = RuntimeOptions::default().with_allocation(Allocation::OnDemand);
    let runtime = Runtime::try_new(options).expect("the engine starts");
    assert!(!runtime.is_pooled(), "nothing is reserved");
    let source = source(Guest::route(PLAN).build(), PATIENT);
    let plugin = runtime
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    drop(runtime);
    let plan = route(&plugin, &plain()).expect("it serves, and its plugin keeps the engine");
    assert!(plan.is_some(), "as ever");
}

/// Calls the plugin while it is in a call, which goes well, and returns the fault of the second call, if it had one.
fn second_call(plugin: &Arc<Plugin>) -> Option<FaultKind> {
    let (inner, kind) = (Arc::clone(plugin), Arc::new(Mutex::new(None)));
    let seen = Arc::clone(&kind);
    let request = answering(move |_| {
        if let Err(Rejection::Fault(fault)) = route(&inner, &plain()) {
            *seen.lock() = Some(fault.kind);
        }
        None
    });
    assert!(route(plugin, &request).is_ok(), "the first call goes well");
    *kind.lock()
}

#[test]
fn the_memory_of_all_instances_has_a_limit_of_its_own() {
    const PAGE: usize = 64 * 1024;
    // The first call is inside its instance when the second one needs another: together they are a page over.
    let second = |pages: usize| {
        let options = RuntimeOptions::default().with_memory_total(pages * PAGE);
        let runtime = Runtime::try_new(options).expect("the engine starts");
        let guest = Guest::route(&format!("(drop (memory.grow (i32.const 30))) {PROBE}"));
        let source = source(guest.build(), PATIENT);
        let plugin = runtime
            .admit(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        let second = second_call(&plugin);
        assert_eq!(plugin.suspended(), None, "nobody blames the plugin");
        let (taken, limit) = runtime.memory();
        assert!(taken <= limit, "{taken} of {limit} bytes");
        drop(plugin);
        assert_eq!(runtime.memory().0, 0, "all of it is given back");
        second
    };
    assert_eq!(second(32), Some(FaultKind::Exhausted), "the second is shed");
    assert_eq!(second(80), None, "with room for two, both are served");
}

#[test]
fn an_exhausted_engine_is_load_to_shed() {
    let options = RuntimeOptions::default().with_instances(1);
    let runtime = Runtime::try_new(options).expect("the engine starts");
    if !runtime.is_pooled() {
        return;
    }
    let source = source(Guest::route(PROBE).build(), PATIENT);
    let plugin = runtime
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    // The one instance is busy, and the engine has no other, though the plugin might have.
    assert_eq!(
        second_call(&plugin),
        Some(FaultKind::Exhausted),
        "the second is shed"
    );
}
