//! Guests of other languages that print, fail, ask too early and reach for what isn't there.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use witgate_runtime::Request;

use super::{
    AdmissionCause, Arc, FaultKind, Mutex, MutexGuard, OnceLock, Plugin, admit, answering, patient,
    route, runtime, source, told, written,
};
use crate::request::{plain, route_fault};

/// A plugin for one test at a time: what one of them does to it, another would see.
struct Probe(Mutex<Arc<Plugin>>);

fn python() -> MutexGuard<'static, Arc<Plugin>> {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| Probe::new("probe-python")).lock()
}

fn javascript() -> MutexGuard<'static, Arc<Plugin>> {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| Probe::new("probe-javascript")).lock()
}

// === impl Probe ===

impl Probe {
    fn new(name: &str) -> Self {
        Self(Mutex::new(admit(&patient(source(name)))))
    }

    /// Waits until the plugin is free and no longer suspended.
    fn lock(&self) -> MutexGuard<'_, Arc<Plugin>> {
        let plugin = self.0.lock();
        is_fine_again(&plugin);
        plugin
    }
}

fn probing(probe: &'static str) -> Arc<dyn Request> {
    answering(move |name| (name == "x-probe").then_some(probe))
}

/// The rule of the plan that the probe answers with.
#[track_caller]
fn probed(plugin: &Arc<Plugin>, probe: &'static str) -> String {
    let answer = told(&route(plugin, &probing(probe)));
    match answer.strip_suffix(": default/-") {
        Some(rule) => rule.to_owned(),
        None => panic!("{} after `{probe}`: {answer}", plugin.name()),
    }
}

/// The next call is fine, once the faults before it are forgiven.
#[track_caller]
fn is_fine_again(plugin: &Arc<Plugin>) {
    thread::sleep(plugin.suspended().unwrap_or(Duration::ZERO));
    let answer = told(&route(plugin, &plain()));
    assert_eq!(answer, "nothing", "{}: the next call", plugin.name());
}

#[test]
#[ignore = "make languages builds what it needs"]
fn printing_on_a_worker_of_tokio_is_a_line_in_the_log() {
    let workers = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    for plugin in [python(), javascript()] {
        let name = Arc::clone(plugin.name());
        let plugin = Arc::clone(&plugin);
        let call = async move {
            written(|| assert_eq!(probed(&plugin, "print"), "printed", "it goes on"))
        };
        let lines = workers
            .block_on(workers.spawn(call))
            .expect("the worker lives");
        for line in ["INFO a whole line", "WARN to the other side"] {
            assert!(
                lines.iter().any(|it| it == line),
                "{name}: {line}: {lines:?}"
            );
        }
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn printing_is_held_to_the_volume_of_the_log() {
    // Of its own: the volume is the plugin's, and the other tests need it.
    let plugin = admit(&patient(source("probe-python")));
    let lines = written(|| drop(probed(&plugin, "print-much")));
    let dropped = plugin.metrics().log_lines_dropped;
    assert!(
        lines.len() <= 200,
        "a hundred lines a second: {}",
        lines.len()
    );
    assert!(dropped >= 100, "the others are counted: {dropped}");
}

#[test]
#[ignore = "make languages builds what it needs"]
fn an_exception_costs_its_own_call_only_and_the_fault_says_which() {
    // In JavaScript whatever is thrown is taken for a refusal, which this isn't.
    for (plugin, said) in [
        (python(), "ValueError: it was the gardener"),
        (javascript(), "expected a string, received [undefined]"),
    ] {
        let name = plugin.name();
        let fault = route_fault(&plugin, &probing("fail"));
        let message = fault.message.unwrap_or_default();
        assert!(message.contains(said), "{name}: {message}");
        let lines = written(|| is_fine_again(&plugin));
        assert!(
            lines.iter().any(|line| line == "INFO getting ready"),
            "{name}: a new instance, which prints before its first call: {lines:?}"
        );
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn asking_for_a_request_before_the_first_call_is_found_at_admission() {
    for name in ["probe-python", "probe-javascript"] {
        let source = patient(source(name));
        let text = source.sidecar.as_ref().unwrap().text.clone();
        let early = source.with_sidecar(format!("{text}\n[settings]\nearly = true\n"));
        let error = runtime().admit(&early).expect_err("it isn't admitted");
        assert!(
            matches!(error.cause, AdmissionCause::Start(_)),
            "{name}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains("request"), "{name}: what was asked: {text}");
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn leaving_is_a_fault() {
    let plugin = python();
    for probe in ["exit", "end"] {
        let fault = route_fault(&plugin, &probing(probe));
        assert_eq!(fault.kind, FaultKind::Contract, "{probe}: {fault}");
        let message = fault.message.unwrap_or_default();
        assert!(message.contains("wasi:cli/exit"), "{probe}: {message}");
        is_fine_again(&plugin);
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn there_are_no_files_and_no_sockets() {
    let plugin = python();
    for (probe, error) in [
        ("read", "EOFError"),
        ("file", "FileNotFoundError"),
        ("write", "FileNotFoundError"),
        ("socket", "PermissionError"),
        ("name", "PermissionError"),
    ] {
        assert_eq!(probed(&plugin, probe), error, "`{probe}`");
    }
    assert_eq!(
        probed(&plugin, "surroundings"),
        "0 []",
        "variables, arguments"
    );
}

#[test]
#[ignore = "make languages builds what it needs"]
fn clocks_go_numbers_are_random_and_nobody_sleeps() {
    for plugin in [python(), javascript()] {
        let name = plugin.name();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let said: u64 = probed(&plugin, "clocks").parse().expect("seconds");
        assert!(said.abs_diff(now) <= 60, "{name}: {said}, not {now}");

        let (one, other) = (probed(&plugin, "numbers"), probed(&plugin, "numbers"));
        assert_eq!(one.len(), 32, "{name}: sixteen bytes: {one}");
        assert_ne!(one, other, "{name}: never the same");

        let start = Instant::now();
        assert_eq!(probed(&plugin, "sleep"), "slept", "{name}");
        assert!(
            start.elapsed().as_secs() < 20,
            "{name}: an hour is over at once"
        );
    }
}
