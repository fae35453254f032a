//! A request that tests can shape, and shorthands to admit and call.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use witgate_runtime::{
    AuditNote, Caller, ContentKind, Envelope, Estimate, Fault, Head, Lineup, Plan, Plugin, Receipt,
    Rejection, Request, Runtime, RuntimeOptions, Source, Stopped,
};

use crate::guest::Guest;

/// The action of a request when a guest reads a header.
type Answer = Box<dyn Fn(&str) -> Option<&'static str> + Send + Sync>;

pub(crate) struct Shaped {
    header: Answer,
    caller: Caller,
    model: Option<&'static str>,
    other_models: bool,
    prompt_tokens: u64,
    body: Vec<u8>,
}

impl Request for Shaped {
    fn id(&self) -> &str {
        "request-1"
    }
    fn endpoint(&self) -> &str {
        "messages"
    }
    fn method(&self) -> &str {
        "POST"
    }
    fn path(&self) -> &str {
        "/v1/messages"
    }
    fn header(&self, name: &str) -> Option<&str> {
        (self.header)(name)
    }
    fn headers(&self, _: &str) -> Vec<(String, String)> {
        Vec::new()
    }
    fn caller(&self) -> &Caller {
        &self.caller
    }
    fn head(&self) -> Head {
        Head {
            model: self.model.map(str::to_owned),
            prompt_tokens: self.prompt_tokens,
            ..Head::default()
        }
    }
    fn model(&self) -> Option<Cow<'_, str>> {
        self.model.map(Cow::Borrowed)
    }
    fn names_other_models(&self) -> bool {
        self.other_models
    }
    fn user_id(&self) -> Option<Cow<'_, str>> {
        None
    }
    fn tools(&self) -> Vec<String> {
        Vec::new()
    }
    fn member(&self, _: &str) -> Option<&str> {
        None
    }
    fn body(&self) -> &[u8] {
        &self.body
    }
}

fn caller() -> Caller {
    Caller {
        key_id: "key-1".to_owned(),
        ..Caller::default()
    }
}

/// A request without headers.
pub(crate) fn plain() -> Arc<dyn Request> {
    answering(|_| None)
}

/// A request with the header `x-probe`, at which the guests of the tests misbehave.
pub(crate) fn probing() -> Arc<dyn Request> {
    answering(|name| (name == "x-probe").then_some("now"))
}

/// A request that does something when it is asked for a header.
pub(crate) fn answering(
    header: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
) -> Arc<dyn Request> {
    Arc::new(Shaped {
        header: Box::new(header),
        caller: caller(),
        model: None,
        other_models: false,
        prompt_tokens: 0,
        body: vec![b'x'; 1 << 20],
    })
}

/// A request without headers for a model, with a prompt of so many tokens.
pub(crate) fn asking(model: Option<&'static str>, prompt_tokens: u64) -> Arc<dyn Request> {
    Arc::new(Shaped {
        header: Box::new(|_| None),
        caller: caller(),
        model,
        other_models: false,
        prompt_tokens,
        body: Vec::new(),
    })
}

/// A request for a model whose body may name others.
pub(crate) fn naming_others(model: &'static str) -> Arc<dyn Request> {
    Arc::new(Shaped {
        header: Box::new(|_| None),
        caller: caller(),
        model: Some(model),
        other_models: true,
        prompt_tokens: 0,
        body: Vec::new(),
    })
}

/// The engine that the tests share, as a process has one.
pub(crate) fn runtime() -> Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| Runtime::try_new(RuntimeOptions::default()).expect("the engine starts"))
        .clone()
}

/// Time enough for any honest call on a busy machine.
pub(crate) const PATIENT: &str = "[limits]\ndeadline_ms = 20000\nconfigure_ms = 20000\n";

/// A sidecar that grants everything, unless it has a word on grants itself: the guests of the tests import all there is.
pub(crate) fn granting(sidecar: &str) -> String {
    if sidecar.contains("[grants]") {
        return sidecar.to_owned();
    }
    format!(
        "{sidecar}\n[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\ncontent = [\"request\", \"response\"]\n"
    )
}

/// A guest's source, with a sidecar that grants everything unless it says otherwise.
pub(crate) fn source(wasm: impl Into<Vec<u8>>, sidecar: &str) -> Source {
    Source::new("probe", wasm).with_sidecar(granting(sidecar))
}

/// Admits a guest with a sidecar.
pub(crate) fn admit(guest: &Guest, sidecar: &str) -> Arc<Plugin> {
    runtime()
        .admit(&source(guest.build(), sidecar))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The lineup of one plugin.
pub(crate) fn alone(plugin: &Arc<Plugin>) -> Lineup {
    Lineup::new(1, vec![Arc::clone(plugin)], &[])
}

/// Asks one plugin for a route.
pub(crate) fn route(
    plugin: &Arc<Plugin>,
    request: &Arc<dyn Request>,
) -> Result<Option<Plan>, Rejection> {
    alone(plugin)
        .begin(Arc::clone(request))
        .route(&Arc::default(), None)
}

/// Calls one hook of a lineup. A refusal is a decision, and no fault; of audit, the first fault counts.
pub(crate) fn call(lineup: &Lineup, hook: &str, request: &Arc<dyn Request>) -> Result<(), Fault> {
    let envelope = Arc::new(Envelope::default());
    let mut hooks = lineup.begin(Arc::clone(request));
    let plan = Arc::new(Plan::to("default"));
    let estimate = Estimate {
        prompt_tokens: 1,
        output_tokens: 1,
        cost_picousd: None,
    };
    let rejected = match hook {
        "envelope" => hooks.envelope().map(drop),
        "route" => hooks.route(&envelope, None).map(drop),
        "budget" => hooks.charges(&envelope, &plan, &estimate).map(drop),
        "guard" => match hooks.guards(&envelope) {
            Err(rejection) => Err(rejection),
            Ok(None) => Ok(()),
            Ok(Some(mut guards)) => match guards.inspect(ContentKind::Text, 0, "hello", false) {
                Err(Stopped::Fault(fault)) => return Err(fault),
                Ok(_) | Err(_) => Ok(()),
            },
        },
        _ => {
            let receipt = Receipt {
                id: "r".to_owned(),
                fields: Vec::new(),
            };
            let entries = lineup.audit(vec![receipt], |_| true);
            let notes = entries.into_iter().flat_map(|entry| entry.notes);
            let fault = notes.into_iter().find_map(|note| match note {
                AuditNote::Fault(fault) => Some(fault),
                _ => None,
            });
            return fault.map_or(Ok(()), Err);
        }
    };
    match rejected {
        Err(Rejection::Fault(fault)) => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Asks for a route that must end in a fault.
pub(crate) fn route_fault(plugin: &Arc<Plugin>, request: &Arc<dyn Request>) -> Fault {
    match route(plugin, request) {
        Err(Rejection::Fault(fault)) => fault,
        other => panic!("a fault was expected, not {other:?}"),
    }
}
