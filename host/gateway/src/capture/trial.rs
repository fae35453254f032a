//! Trials of plugins on recorded requests: calls hook after hook as an exchange would, without sending anything.

mod guards;
mod receipt;
mod summary;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use witgate_messages::head::Head;
use witgate_messages::price::PriceBook;
use witgate_messages::splice::EditError;
use witgate_runtime::{
    AdmissionError, AuditNote, Charge, Envelope, ExchangeFacts, Fault, FinishedExchange, Hook,
    HookSession, Lineup, Plan, Rejection, Runtime, Source, Target, UpstreamStats, Upstreams,
};

use super::Captured;
use crate::budgets::experience::Experience;
use crate::clock::WholeUnits as _;
use crate::exchange::decide::{estimate, heads};
use crate::exchange::view::View;
use crate::receipts::receipt::{Receipt, is_kept, tree};
use crate::tenants::provenance::Provenance;

/// A lineup of plugins for trials.
pub struct Trial {
    lineup: Arc<Lineup>,
    prices: PriceBook,
    upstreams: Vec<UpstreamStats>,
}

/// The decisions of the plugins on one request.
pub struct Decided {
    /// Result of each hook by its name, `stopped` if the request was stopped, and `skipped` with the faults that an open fail
    /// policy let pass. Faults are given by kind: their text may name addresses and lines of code, which differ from build to
    /// build.
    pub given: Map<String, Value>,
    /// The same for comparisons by people: by hook, in order, in words if a value says little.
    pub readable: Vec<(String, Value)>,
    /// Texts of all faults.
    faults: Vec<String>,
    /// Summary in words.
    pub summary: Vec<String>,
    /// Time of each hook, for all plugins together.
    pub took: Vec<(Hook, Duration)>,
}

// === impl Trial ===

impl Trial {
    /// Admits plugins, which see `upstreams` and estimates by `prices`.
    ///
    /// # Errors
    ///
    /// Returns the error of the first plugin that is not admitted.
    pub fn try_new(
        runtime: &Runtime,
        sources: &[Source],
        prices: PriceBook,
        upstreams: &[String],
    ) -> Result<Self, AdmissionError> {
        let plugins = sources
            .iter()
            .map(|source| runtime.admit(source))
            .collect::<Result<Vec<_>, _>>()?;
        let upstreams = upstreams
            .iter()
            .map(|name| UpstreamStats {
                name: name.clone(),
                in_flight: 0,
                requests: 0,
                errors: 0,
                attributes: Vec::new(),
            })
            .collect();
        Ok(Self {
            lineup: Arc::new(Lineup::new(1, plugins, &[])),
            prices,
            upstreams,
        })
    }

    /// Returns whether any of the plugins has the hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.lineup.plugins().iter().any(|plugin| plugin.has(hook))
    }

    /// Asks the plugins about one request.
    ///
    /// # Errors
    ///
    /// Returns an error if the gateway would not have called plugins for this request.
    pub fn decide(&self, captured: &Captured) -> anyhow::Result<Decided> {
        let mut decided = Decided {
            given: Map::new(),
            readable: Vec::new(),
            faults: Vec::new(),
            summary: Vec::new(),
            took: Vec::new(),
        };
        let view = Arc::new(captured.view()?);
        let mut hooks = self.lineup.begin(Arc::<View>::clone(&view));
        if let Err(rejection) = self.ask(captured, view, &mut decided, &mut hooks)? {
            decided.stop(&rejection);
        }
        for fault in &hooks.finish().skipped {
            decided.skip(fault);
        }
        Ok(decided)
    }

    fn ask(
        &self,
        captured: &Captured,
        mut view: Arc<View>,
        decided: &mut Decided,
        hooks: &mut HookSession<'_>,
    ) -> anyhow::Result<Result<(), Rejection>> {
        let mut envelope = Envelope::default();
        if self.has(Hook::Envelope) {
            let asked = decided.time(Hook::Envelope, || hooks.envelope());
            match asked {
                Ok(given) => envelope = given,
                Err(stop) => return Ok(Err(stop)),
            }
            decided.note(Hook::Envelope, &envelope, &summary::envelope(&envelope))?;
            view = view.after(&envelope)?;
        }
        let provenance = Provenance::of_path(&view.path);
        view.complete(&mut envelope);
        provenance.stamp(&mut envelope);
        let envelope = Arc::new(envelope);
        hooks.set_request(Arc::<View>::clone(&view));

        if self.has(Hook::Guard) {
            match guards::ask(&view, &envelope, hooks, decided)? {
                Ok(edited) => view = edited,
                Err(stop) => return Ok(Err(stop)),
            }
            hooks.set_request(Arc::<View>::clone(&view));
        }

        let mut plan = None;
        if self.has(Hook::Route) {
            let upstreams: Arc<dyn Upstreams> = Arc::new(self.upstreams.clone());
            let told = Some(upstreams).filter(|_| !self.upstreams.is_empty());
            let asked = decided.time(Hook::Route, || hooks.route(&envelope, told));
            match asked {
                Ok(given) => plan = given,
                Err(stop) => return Ok(Err(stop)),
            }
            let summary = summary::plan(plan.as_ref(), &self.upstreams);
            decided.note(Hook::Route, &plan, &summary)?;
            if let Some(plan) = &mut plan {
                plan.targets.retain(|target| is_in(&self.upstreams, target));
            }
        }
        let default = self.upstreams.first().map_or("default", |it| &it.name);
        let plan = Arc::new(plan.unwrap_or_else(|| Plan::to(default)));

        let edited = first_target(&view, &plan)?;
        let (edited, prices) = (edited.as_ref(), &self.prices);
        let forecast = estimate::of_message(&view, edited, &plan, prices, &Experience::new());
        let estimate = forecast.estimate;
        if self.has(Hook::Budget) {
            let asked = decided.time(Hook::Budget, || hooks.charges(&envelope, &plan, &estimate));
            let charges: Vec<Charge> = match asked {
                Ok(charges) => charges.into_iter().map(|it| it.charge).collect(),
                Err(stop) => return Ok(Err(stop)),
            };
            decided.note(Hook::Budget, &charges, &summary::charges(&charges))?;
        }

        if self.has(Hook::Audit) {
            let answered = receipt::DecidedRequest {
                captured,
                view: &view,
                envelope,
                provenance,
                plan,
                estimate,
            };
            self.audit(answered, decided)?;
        }
        Ok(Ok(()))
    }

    /// Calls the audit plugins with the receipt of a completed request.
    fn audit(
        &self,
        answered: receipt::DecidedRequest<'_>,
        decided: &mut Decided,
    ) -> anyhow::Result<()> {
        let completed = Completed {
            receipt: answered.receipt(&self.prices),
            lineup: &self.lineup,
        };
        let before = completed.receipt();
        if !self.lineup.needs_audit(&completed.facts()) {
            return decided.note(Hook::Audit, &fields_of(&before), "not asked");
        }
        let audited = decided.time(Hook::Audit, || {
            self.lineup.audit_finished(&[completed], is_kept)
        });
        for entry in audited.into_iter().flatten() {
            for note in &entry.notes {
                if let AuditNote::Fault(fault) = note {
                    decided.skip(fault);
                }
            }
            let readable = summary::fields(&before, &entry.receipt);
            decided.note(Hook::Audit, &fields_of(&entry.receipt), &readable)?;
        }
        Ok(())
    }
}

/// A completed request of a trial.
struct Completed<'a> {
    receipt: Receipt,
    lineup: &'a Lineup,
}

// === impl Completed ===

impl FinishedExchange for Completed<'_> {
    fn facts(&self) -> ExchangeFacts<'_> {
        self.receipt.facts()
    }

    fn receipt(&self) -> witgate_runtime::Receipt {
        self.receipt.fields(self.lineup)
    }
}

/// Returns the fields of a receipt as it is written, but for the time of the trial, which is no decision.
fn fields_of(receipt: &witgate_runtime::Receipt) -> Map<String, Value> {
    let mut fields = tree(receipt);
    fields.remove("started_unix_ms");
    fields
}

// === impl Decided ===

impl Decided {
    /// Returns the decisions and times as a JSON object.
    pub fn json(&self, number: usize, captured: &Captured) -> Value {
        let took: Map<String, Value> = self
            .took
            .iter()
            .map(|(hook, took)| (hook.to_string(), json!(took.whole_nanos())))
            .collect();
        json!({
            "request": number,
            "id": captured.id,
            "method": captured.method,
            "path": captured.path,
            "given": self.given,
            "faults": self.faults,
            "took_ns": took,
        })
    }

    /// Returns whether a plugin faulted.
    pub fn faulted(&self) -> bool {
        !self.faults.is_empty()
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
        let given = serde_json::to_value(given)?;
        let says_little = given.is_null() || given.as_array().is_some_and(Vec::is_empty);
        let readable = match says_little {
            true => Value::from(summary),
            false => given.clone(),
        };
        self.readable.push((hook.to_string(), readable));
        self.given.insert(hook.to_string(), given);
        self.summary.push(format!("{hook}: {summary}"));
        Ok(())
    }

    fn stop(&mut self, rejection: &Rejection) {
        match rejection {
            Rejection::Refusal { hook, refusal, .. } => {
                self.given.insert(
                    "stopped".to_owned(),
                    json!({ "hook": hook, "refusal": refusal }),
                );
                let text = summary::refusal(refusal);
                self.readable
                    .push((hook.to_string(), Value::from(format!("refused {text}"))));
                self.summary.push(format!("{hook}: refused, {text}"));
            }
            Rejection::Fault(fault) => {
                self.given.insert("stopped".to_owned(), kind_of(fault));
                let at = fault
                    .hook
                    .map_or("stopped".to_owned(), |hook| hook.to_string());
                let text = format!("fault {}", fault.kind.code());
                self.readable.push((at, Value::from(text)));
                self.summary.push(format!("stopped: {fault}"));
                self.faults.push(fault.to_string());
            }
            other => {
                self.given
                    .insert("stopped".to_owned(), Value::from(other.to_string()));
                self.summary.push(format!("stopped: {other}"));
            }
        }
    }

    /// Records a fault that an open fail policy let pass.
    fn skip(&mut self, fault: &Fault) {
        let skipped = self
            .given
            .entry("skipped")
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(skipped) = skipped {
            skipped.push(kind_of(fault));
        }
        let at = fault
            .hook
            .map_or("skipped".to_owned(), |hook| format!("{hook}.skipped"));
        let text = format!("fault {}", fault.kind.code());
        self.readable.push((at, Value::from(text)));
        self.summary.push(format!("skipped: {fault}"));
        self.faults.push(fault.to_string());
    }
}

/// Returns the part of a fault that does not differ between builds of a plugin.
fn kind_of(fault: &Fault) -> Value {
    json!({ "hook": fault.hook, "fault": fault.kind.code() })
}

/// Returns the request with the edits of the plan's first target, or `None` if it has none.
fn first_target(view: &View, plan: &Plan) -> Result<Option<Head>, EditError> {
    let edits = plan.targets.first().map(heads::edits).unwrap_or_default();
    match &view.head {
        Some(head) if !edits.is_empty() => head.edited(&edits).map(Some),
        Some(_) | None => Ok(None),
    }
}

/// Returns whether a target is a known upstream. The gateway skips other targets.
fn is_in(known: &[UpstreamStats], target: &Target) -> bool {
    known.iter().any(|stats| stats.name == target.upstream)
}
