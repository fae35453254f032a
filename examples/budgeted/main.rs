//! The plugin host with the crates for Messages and for money beside it: a head out of each body, and budgets that hold.
//! It reads requests, a body a line, and prints what becomes of each; yours would send them.
#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

mod head;
mod money;

use std::sync::Arc;

use anyhow::Context as _;
use witgate_ledger::Ledger;
use witgate_messages::PriceBook;
use witgate_runtime::{
    Plan, Policies, PoliciesOptions, Rejection, Request, Runtime, RuntimeOptions,
};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("say: budgeted FOLDER")?;
    let runtime = Runtime::try_new(RuntimeOptions::default())?;
    let policies = Policies::open(runtime, folder, PoliciesOptions::default())?;
    let (ledger, prices) = (Ledger::new(), PriceBook::builtin());
    for body in std::io::stdin().lines() {
        let done = serve(&policies, &ledger, &prices, body?);
        println!(
            "{}",
            done.unwrap_or_else(|error| format!("refused: {error}"))
        );
    }
    Ok(())
}

/// Decides, reserves, asks, settles.
fn serve(
    policies: &Policies,
    ledger: &Arc<Ledger>,
    prices: &PriceBook,
    body: String,
) -> anyhow::Result<String> {
    let lineup = policies.current();
    let request = head::request(body)?;
    let estimate = money::estimate(&request, prices);
    let request: Arc<dyn Request> = Arc::new(request);
    let mut hooks = lineup.begin(Arc::clone(&request));
    let envelope = Arc::new(hooks.envelope().map_err(rejected)?);
    let plan = hooks.route(&envelope, None).map_err(rejected)?;
    let plan = Arc::new(plan.unwrap_or_else(|| Plan::to("default")));
    let charges = hooks
        .charges(&envelope, &plan, &estimate)
        .map_err(rejected)?;

    let tenant = envelope.tenant.as_deref().unwrap_or_default();
    let hold = money::reserve(ledger, &charges, tenant)?;
    let used = money::used(&ask(&request), prices);
    hold.settle(used);
    Ok(format!("served, {} tokens used", used.tokens))
}

/// Stands for the upstream. Should it fail, the hold is dropped, and what it held is free again.
fn ask(request: &Arc<dyn Request>) -> String {
    let model = request.head().model.unwrap_or_default();
    format!(
        r#"{{"type": "message", "model": "{model}", "usage": {{"input_tokens": 9, "output_tokens": 3}}}}"#
    )
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn rejected(rejection: Rejection) -> anyhow::Error {
    anyhow::anyhow!("{}, {rejection}", rejection.status())
}
