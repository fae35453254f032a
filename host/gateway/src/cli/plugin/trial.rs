//! Recorded requests through a lineup, hook by hook, as an exchange asks them, without sending anything anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use witgate_messages::price::PriceBook;
use witgate_runtime as contract;
use witgate_runtime::{
    Charge, Envelope, Fault, Hook, Lineup, Mark, Plan, Refusal, Request, Runtime, Source, Stop,
    Trail, UpstreamStats,
};

use crate::capture::{self, Captured};
use crate::exchange::{estimate, now};
use crate::receipt::{self, Outcome, Receipt};

/// The recorded requests of a command, and what plugins are told beside them.
#[derive(Debug, clap::Args)]
pub(super) struct Requests {
    /// Recorded requests, one JSON object a line: what `[capture]` writes, or written by hand. May be given several times.
    #[arg(long, required = true, value_name = "FILE")]
    requests: Vec<PathBuf>,
    /// The upstreams that route hooks are told of, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "default")]
    upstreams: Vec<String>,
    /// Prices other than the built-in ones.
    #[arg(long)]
    prices: Option<PathBuf>,
}

/// Plugins, ready to be asked.
pub(super) struct Trial {
    lineup: Arc<Lineup>,
    prices: PriceBook,
    upstreams: Vec<UpstreamStats>,
}

/// What the plugins decided on one request.
pub(super) struct Decided {
    /// What each hook gave, by its name; `stopped` where the request does not go on.
    pub(super) given: Map<String, Value>,
    /// The same for people.
    pub(super) summary: Vec<String>,
    /// How long each hook took, all plugins together.
    pub(super) took: Vec<(Hook, Duration)>,
    /// Whether a plugin faulted.
    pub(super) faulted: bool,
}

// === impl Requests ===

impl Requests {
    /// Reads them all.
    pub(super) fn read(&self) -> anyhow::Result<Vec<Captured>> {
        let mut requests = Vec::new();
        for file in &self.requests {
            requests.extend(capture::read(file)?);
        }
        anyhow::ensure!(!requests.is_empty(), "there are no requests in these files");
        Ok(requests)
    }

    /// Makes plugins ready for them.
    pub(super) fn trial(&self, runtime: &Runtime, sources: &[Source]) -> anyhow::Result<Trial> {
        let plugins = sources
            .iter()
            .map(|source| runtime.admit(source))
            .collect::<Result<Vec<_>, _>>()?;
        let prices = match &self.prices {
            None => PriceBook::builtin(),
            Some(file) => read_prices(file)?,
        };
        let upstreams = self
            .upstreams
            .iter()
            .map(|name| UpstreamStats {
                name: name.clone(),
                in_flight: 0,
                requests: 0,
                errors: 0,
                attributes: Vec::new(),
            })
            .collect();
        Ok(Trial {
            lineup: Arc::new(Lineup::new(1, plugins, &[])),
            prices,
            upstreams,
        })
    }
}

fn read_prices(file: &Path) -> anyhow::Result<PriceBook> {
    let text = std::fs::read(file)
        .map_err(|error| anyhow::anyhow!("{} can't be read: {error}", file.display()))?;
    PriceBook::parse(&text).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// What a request is, for people.
pub(super) fn title(captured: &Captured) -> String {
    format!(
        "{} {}",
        captured.method,
        captured.path.split('?').next().unwrap_or_default()
    )
}

// === impl Trial ===

impl Trial {
    /// Whether any of the plugins has the hook.
    pub(super) fn has(&self, hook: Hook) -> bool {
        self.lineup.plugins().iter().any(|plugin| plugin.has(hook))
    }

    /// Asks the plugins about one request.
    ///
    /// # Errors
    ///
    /// When it is none that the gateway would have asked them about.
    pub(super) fn decide(&self, captured: &Captured) -> anyhow::Result<Decided> {
        let mut decided = Decided {
            given: Map::new(),
            summary: Vec::new(),
            took: Vec::new(),
            faulted: false,
        };
        let mut trail = Trail::default();
        if let Err(stop) = self.ask(captured, &mut decided, &mut trail)? {
            decided.stop(&stop);
        }
        for fault in &trail.skipped {
            decided.fault("skipped", fault);
        }
        Ok(decided)
    }

    fn ask(
        &self,
        captured: &Captured,
        decided: &mut Decided,
        trail: &mut Trail,
    ) -> anyhow::Result<Result<(), Stop>> {
        let view = Arc::new(captured.view()?);
        let request: Arc<dyn Request> = Arc::<crate::view::View>::clone(&view);
        let lineup = &self.lineup;

        let mut envelope = Envelope::default();
        if self.has(Hook::Envelope) {
            let asked = decided.time(Hook::Envelope, || lineup.read_envelope(&request, trail));
            match asked {
                Ok(given) => envelope = given,
                Err(stop) => return Ok(Err(stop)),
            }
            decided.note(Hook::Envelope, &envelope, &envelope_summary(&envelope))?;
        }

        let mut plan = None;
        if self.has(Hook::Route) {
            let asked = decided.time(Hook::Route, || {
                lineup.decide_route(&request, &envelope, &self.upstreams, trail)
            });
            match asked {
                Ok(given) => plan = given,
                Err(stop) => return Ok(Err(stop)),
            }
            decided.note(Hook::Route, &plan, &plan_summary(plan.as_ref()))?;
        }
        let default = self.upstreams.first().map_or("default", |it| &it.name);
        let plan = plan.unwrap_or_else(|| Plan::to(default));

        if self.has(Hook::Budget) {
            let estimate = estimate::of_message(&view, &plan, &self.prices);
            let asked = decided.time(Hook::Budget, || {
                lineup.charges(&request, &envelope, &plan, &estimate, trail)
            });
            let charges: Vec<Charge> = match asked {
                Ok(charges) => charges.into_iter().map(|it| it.charge).collect(),
                Err(stop) => return Ok(Err(stop)),
            };
            decided.note(Hook::Budget, &charges, &charges_summary(&charges))?;
        }

        if self.has(Hook::Audit) {
            let mut receipt = Receipt::new(Arc::clone(&view.id), now().0, view.method.as_str());
            receipt.endpoint = view.endpoint.code();
            receipt.caller = Some(Arc::clone(&view.caller));
            receipt.envelope = Some(envelope);
            receipt.rule = plan.rule;
            receipt.outcome = Some(Outcome::Answered);
            receipt.status = Some(200);
            let before = receipt.fields(lineup);
            let audited = decided.time(Hook::Audit, || lineup.audit_entries(vec![before.clone()]));
            for entry in audited {
                for mark in &entry.marks {
                    if let Mark::Fault(fault) = mark {
                        decided.fault("skipped", fault);
                    }
                }
                let mut fields = receipt::tree(&entry.receipt);
                // The time of the trial is no decision.
                fields.remove("started_unix_ms");
                decided.note(
                    Hook::Audit,
                    &fields,
                    &fields_summary(&before, &entry.receipt),
                )?;
            }
        }
        Ok(Ok(()))
    }
}

// === impl Decided ===

impl Decided {
    /// Everything as one JSON object.
    pub(super) fn json(&self, number: usize, captured: &Captured) -> Value {
        let took: Map<String, Value> = self
            .took
            .iter()
            .map(|(hook, took)| (hook.to_string(), json!(nanos(*took))))
            .collect();
        json!({
            "request": number,
            "id": captured.id,
            "method": captured.method,
            "path": captured.path,
            "given": self.given,
            "took_ns": took,
        })
    }

    fn time<T>(&mut self, hook: Hook, ask: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let given = ask();
        self.took.push((hook, begun.elapsed()));
        given
    }

    fn note(
        &mut self,
        hook: Hook,
        given: &impl serde::Serialize,
        summary: &str,
    ) -> anyhow::Result<()> {
        self.given
            .insert(hook.to_string(), serde_json::to_value(given)?);
        self.summary.push(format!("{hook}: {summary}"));
        Ok(())
    }

    fn stop(&mut self, stop: &Stop) {
        match stop {
            Stop::Refusal { hook, refusal, .. } => {
                self.given.insert(
                    "stopped".to_owned(),
                    json!({ "hook": hook, "refusal": refusal }),
                );
                self.summary
                    .push(format!("{hook}: refused, {}", refusal_summary(refusal)));
            }
            Stop::Fault(fault) => self.fault("stopped", fault),
        }
    }

    /// A fault that stopped the request, or that was passed over. Its text may name addresses, which differ from build to
    /// build; its kind is the decision.
    fn fault(&mut self, what: &str, fault: &Fault) {
        self.faulted = true;
        self.given.insert(
            what.to_owned(),
            json!({ "hook": fault.hook, "fault": fault.kind.code(), "message": fault.message }),
        );
        self.summary.push(format!("{what}: {fault}"));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn envelope_summary(envelope: &Envelope) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("tenant", &envelope.tenant),
        ("user", &envelope.user),
        ("session", &envelope.session),
        ("agent", &envelope.agent),
        ("resource", &envelope.resource),
        ("correlation", &envelope.correlation_id),
    ] {
        if let Some(value) = value {
            // Writing to a string can't fail.
            let _ = write!(text, "{name}={value} ");
        }
    }
    for (name, count) in [
        ("metadata", envelope.metadata.len()),
        ("edits", envelope.edits.len()),
        ("headers", envelope.response_headers.len()),
    ] {
        if count > 0 {
            let _ = write!(text, "{count} {name} ");
        }
    }
    match text.trim_end() {
        "" => "nothing".to_owned(),
        text => text.to_owned(),
    }
}

fn plan_summary(plan: Option<&Plan>) -> String {
    let Some(plan) = plan else {
        return "no plan".to_owned();
    };
    let targets: Vec<_> = plan
        .targets
        .iter()
        .map(|target| match &target.model {
            Some(model) => format!("{model} at {}", target.upstream),
            None => target.upstream.clone(),
        })
        .collect();
    match &plan.rule {
        Some(rule) => format!("{} ({rule})", targets.join(", then ")),
        None => targets.join(", then "),
    }
}

fn charges_summary(charges: &[Charge]) -> String {
    if charges.is_empty() {
        return "no charge".to_owned();
    }
    let charges: Vec<_> = charges
        .iter()
        .map(|charge| match charge.unit.as_str() {
            // What is under way is of no window.
            "in-flight" => format!(
                "{} of {} at a time from {}",
                charge.amount, charge.limit, charge.account
            ),
            unit => format!(
                "{} of {} {unit} per {} from {}",
                charge.amount, charge.limit, charge.window, charge.account
            ),
        })
        .collect();
    charges.join(", ")
}

/// What the plugins changed in a receipt.
fn fields_summary(before: &contract::Receipt, after: &contract::Receipt) -> String {
    let missing_in =
        |fields: &[contract::Field], name: &str| !fields.iter().any(|it| it.name == name);
    let added = after
        .fields
        .iter()
        .filter(|field| missing_in(&before.fields, &field.name))
        .map(|field| format!("+{}", field.name));
    let gone = before
        .fields
        .iter()
        .filter(|field| missing_in(&after.fields, &field.name))
        .map(|field| format!("-{}", field.name));
    let other = after.fields.iter().filter(|field| {
        let same_name = |it: &&contract::Field| it.name == field.name;
        before
            .fields
            .iter()
            .find(same_name)
            .is_some_and(|it| it != *field)
    });
    let changes: Vec<_> = added
        .chain(gone)
        .chain(other.map(|field| format!("~{}", field.name)))
        .collect();
    match changes.is_empty() {
        true => "as it was".to_owned(),
        false => changes.join(" "),
    }
}

fn refusal_summary(refusal: &Refusal) -> String {
    format!("{} {}: {}", refusal.status, refusal.code, refusal.message)
}
