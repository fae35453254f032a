//! Embeds the plugin host: `embed FOLDER` loads the plugins of a directory, and reads requests from standard input, one JSON
//! body per line. For each it prints the decision of the plugins; a gateway would act on it.
//!
//! Change a plugin or its sidecar while it runs, and the next request uses the new version.

#![allow(clippy::print_stdout, reason = "it prints decisions")]

use std::error::Error;
use std::sync::Arc;

use witgate_runtime::{
    Body, Caller, Charge, Estimate, Head, Lineup, PlainRequest, Plan, Policies, PoliciesOptions,
    Rejection, Runtime, RuntimeOptions, Unit, Vocabulary,
};

/// The units that this gateway can account for. A plugin that charges others faults, at admission if it does so there.
#[derive(Debug)]
struct Units;

impl Vocabulary for Units {
    fn charge(&self, charge: &Charge) -> Result<(), String> {
        match &charge.unit {
            Unit::Requests | Unit::Tokens => Ok(()),
            unit => Err(format!("the unit `{unit}`; use `requests` or `tokens`")),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: embed FOLDER")?;
    // Start the engine once, and tell it what plugins must not see.
    let options = RuntimeOptions::default()
        .with_secret_headers(["authorization", "x-api-key"].map(String::from))
        .with_vocabulary(Units);
    let runtime = Runtime::try_new(options)?;
    // Load the directory, and reload it when it changes.
    let policies = Policies::open(runtime, folder, PoliciesOptions::default())?;
    policies.watch()?;

    for line in std::io::stdin().lines() {
        let body = match Body::try_json(line?) {
            Ok(body) => body,
            Err(error) => {
                println!("400 {error}");
                continue;
            }
        };
        // A real gateway parses the body once, for itself and for the plugins.
        let model = body.member("model").map(serde_json::from_str);
        let head = Head {
            model: model.transpose()?,
            ..Head::default()
        };
        let caller = Caller {
            key_id: "key-1".to_owned(),
            ..Caller::default()
        };
        let request = PlainRequest::new("messages", "POST", "/v1/messages")
            .with_caller(caller)
            .with_head(head)
            .with_body(body);
        // The request keeps this lineup, even if the directory changes meanwhile.
        let lineup = policies.current();
        match decide(&lineup, request) {
            Ok(decision) => println!("200 {decision}"),
            Err(rejection) => println!("{} {rejection}", rejection.status()),
        }
    }
    Ok(())
}

/// Calls the hooks, and describes the decision.
fn decide(lineup: &Lineup, request: PlainRequest) -> Result<String, Rejection> {
    let mut hooks = lineup.begin(Arc::new(request));
    let envelope = Arc::new(hooks.envelope()?);
    let plan = hooks.route(&envelope, None)?;
    let plan = Arc::new(plan.unwrap_or_else(|| Plan::to("default")));
    let estimate = Estimate {
        prompt_tokens: 100,
        output_tokens: 100,
        cost_picousd: None,
    };
    let charges = hooks.charges(&envelope, &plan, &estimate)?;
    let trace = hooks.finish();
    Ok(format!(
        "upstream {}, {} charges, decided by {} plugins, {} skipped",
        plan.targets.first().map_or("none", |it| &it.upstream),
        charges.len(),
        trace.answered.len(),
        trace.skipped.len()
    ))
}
