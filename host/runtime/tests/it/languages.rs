//! A plugin is a plugin in whatever language it is written: the four of `plugins/languages` do the same job.
//!
//! Building them takes the tools of their languages, so these tests are for `make languages` only.

mod misdeeds;
mod receipts;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use witgate_runtime::{
    AdmissionCause, Envelope, FaultKind, Head, Hook, PlainRequest, Plan, Plugin, Rejection,
    Request, Runtime, RuntimeOptions, Source,
};

use crate::lines::written;
use crate::request::{alone, answering, asking, route};

/// The plan for a small prompt.
const SMALL: &str = "small: default/claude-haiku-4-5";

const LANGUAGES: [&str; 4] = ["rust", "c", "javascript", "python"];

fn folder(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the workspace")
        .join(".cache/languages")
        .join(name)
}

/// The engine of these tests. It keeps what it compiled, as these plugins are large.
fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let options = || RuntimeOptions::default().with_cache(Some(folder("compiled")));
    RUNTIME
        .get_or_init(|| Runtime::try_new(options()).expect("the engine starts"))
        .clone()
}

/// The directory that `make languages` builds.
fn source(name: &str) -> Source {
    Source::read(&folder("plugins").join(name).with_extension("wasm"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The sidecar with more time, for a machine that runs other tests besides.
fn patient(source: Source) -> Source {
    let text = source.sidecar.as_ref().map_or("", |sidecar| &sidecar.text);
    let text = text
        .lines()
        .filter(|line| !line.contains("_ms ="))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(text.contains("[limits]"), "the sidecar has limits");
    let text = text.replace(
        "[limits]",
        "[limits]\ndeadline_ms = 20000\nconfigure_ms = 20000",
    );
    source.with_sidecar(text)
}

fn admit(source: &Source) -> Arc<Plugin> {
    runtime()
        .admit(source)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Describes a plugin's decision in one line.
fn told(answer: &Result<Option<Plan>, Rejection>) -> String {
    match answer {
        Ok(None) => "nothing".to_owned(),
        Ok(Some(plan)) => {
            let targets = plan.targets.iter().map(|target| {
                assert_eq!(target.timeout_ms, None, "no timeout of its own");
                assert!(target.edits.is_empty(), "no edits of its own");
                format!(
                    "{}/{}",
                    target.upstream,
                    target.model.as_deref().unwrap_or("-")
                )
            });
            let targets = targets.collect::<Vec<_>>().join(" ");
            assert!(
                plan.retry_on.is_none()
                    && plan.retries.is_none()
                    && plan.on_disconnect.is_none()
                    && plan.resource.is_none()
                    && plan.attributes.is_empty(),
                "nothing more"
            );
            format!("{}: {targets}", plan.rule.as_deref().unwrap_or("-"))
        }
        Err(Rejection::Refusal { refusal, .. }) => {
            assert_eq!(refusal.retry_after_ms, None, "another try makes no sense");
            format!("{} {}: {}", refusal.status, refusal.code, refusal.message)
        }
        Err(Rejection::Fault(fault)) => format!("fault: {fault}"),
        Err(other) => panic!("unknown rejection: {other:?}"),
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn every_language_decides_the_same() {
    let requests = [
        (Some("claude-sonnet-5-5"), 0, SMALL),
        (Some("claude-sonnet-5-5"), 999, SMALL),
        (Some("claude-sonnet-5-5"), 1_000, "nothing"),
        (Some("claude-sonnet-5-5"), u64::MAX, "nothing"),
        (Some("modèle 🦀"), 7, SMALL),
        (Some(""), 7, SMALL),
        (None, 7, "nothing"),
        (Some("gpt"), 7, SMALL),
        (
            Some("gpt-é"),
            7,
            "403 permission_error: the model gpt-é is not for this gateway's callers",
        ),
        (
            Some("gpt-5"),
            1 << 40,
            "403 permission_error: the model gpt-5 is not for this gateway's callers",
        ),
    ];
    let plugins = LANGUAGES.map(|name| admit(&patient(source(name))));
    // Three rounds: an instance that served is as good as a new one.
    for round in 1..=3 {
        for (model, tokens, expected) in requests {
            for plugin in &plugins {
                let answer = told(&route(plugin, &asking(model, tokens)));
                let name = plugin.name();
                assert_eq!(
                    answer, expected,
                    "{name}, round {round}: {model:?}, {tokens} tokens"
                );
            }
        }
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn no_language_is_called_for_an_endpoint_that_it_has_no_interest_in() {
    let head = Head {
        model: Some("gpt-5".to_owned()),
        ..Head::default()
    };
    let counting = PlainRequest::new("count-tokens", "POST", "/v1/messages/count_tokens");
    let counting: Arc<dyn Request> = Arc::new(counting.with_head(head));
    for plugin in LANGUAGES.map(|name| admit(&patient(source(name)))) {
        let name = plugin.name();
        let answer = told(&route(&plugin, &counting));
        assert_eq!(answer, "nothing", "{name}: it would refuse this model");
        let figures = &plugin.metrics().hooks[&Hook::Route];
        assert_eq!((figures.calls, figures.left_out), (0, 1), "{name}");
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn every_language_sees_the_resource_that_the_envelope_names() {
    let named = |resource: Option<&str>| {
        Arc::new(Envelope {
            resource: resource.map(str::to_owned),
            ..Envelope::default()
        })
    };
    for plugin in LANGUAGES.map(|name| admit(&patient(source(name)))) {
        let lineup = alone(&plugin);
        for (resource, expected) in [(None, SMALL), (Some("house"), "nothing"), (None, SMALL)] {
            let mut hooks = lineup.begin(asking(Some("claude-sonnet-5-5"), 7));
            let answer = told(&hooks.route(&named(resource), None));
            assert_eq!(answer, expected, "{}: {resource:?}", plugin.name());
        }
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn wrong_settings_are_found_at_admission_in_every_language() {
    for name in LANGUAGES {
        let source = patient(source(name));
        let text = source.sidecar.as_ref().unwrap().text.clone();
        let wrong = text.replace("max_prompt_tokens = 1000", "max_prompt_tokens = \"many\"");
        assert_ne!(text, wrong, "{name}: the setting is there");
        let error = runtime()
            .admit(&source.with_sidecar(wrong))
            .expect_err("it isn't admitted");
        assert!(
            matches!(error.cause, AdmissionCause::Settings(_)),
            "{name}: {error}"
        );
        let text = error.to_string();
        assert!(
            text.contains("max_prompt_tokens"),
            "{name}: which one: {text}"
        );
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn too_little_memory_for_an_interpreter_is_told_at_admission() {
    for name in ["javascript", "python"] {
        let source = patient(source(name));
        let text = source.sidecar.as_ref().unwrap().text.clone();
        let memory = text.lines().find(|line| line.starts_with("memory_mib"));
        let less = text.replace(memory.expect("the sidecar raises it"), "memory_mib = 8");
        let error = runtime()
            .admit(&source.with_sidecar(less))
            .expect_err("it isn't admitted");
        match &error.cause {
            AdmissionCause::Start(fault) => {
                assert_eq!(fault.kind, FaultKind::Memory, "{name}: {fault}");
                let message = fault.message.clone().unwrap_or_default();
                assert!(message.contains("it needs"), "{name}: how much: {message}");
            }
            AdmissionCause::OverLimit { wanted, limit } => {
                assert!(*wanted > *limit as u64, "{name}: {wanted} over {limit}");
            }
            other => panic!("{name}: a fault at the start was expected, not {other}"),
        }
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn an_interpreter_that_has_enough_memory_has_enough_for_long() {
    for name in ["javascript", "python"] {
        let plugin = admit(&patient(source(name)));
        for call in 0..20_000 {
            let answer = told(&route(&plugin, &asking(Some("claude-sonnet-5-5"), 7)));
            assert_eq!(answer, SMALL, "{name}, call {call}");
        }
        assert_eq!(
            plugin.metrics().instances_created,
            1,
            "{name}: by one instance"
        );
    }
}

#[test]
#[ignore = "make languages builds what it needs"]
fn the_sidecars_as_they_are_suffice() {
    for name in LANGUAGES.into_iter().chain(["private-receipts"]) {
        admit(&source(name));
    }
}
