//! Plugins in an axum server. It answers with what they decided; yours would go on from there.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::{Json, Router, extract::State};
use serde_json::{Value, json};
use witgate_runtime::{
    Body, Estimate, PlainRequest, Plan, Policies, PoliciesOptions, Rejection, Runtime,
    RuntimeOptions,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, address] = arguments.as_slice() else {
        anyhow::bail!("say: axum_server FOLDER ADDRESS");
    };
    let runtime = Runtime::try_new(RuntimeOptions::default())?;
    let policies = Policies::open(runtime, folder, PoliciesOptions::default())?;
    policies.watch()?; // From here on, what is dropped into the folder decides.

    let state = Arc::new(policies);
    let app = Router::new().fallback(answer).with_state(state);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Calls plugins directly: a call usually takes microseconds, and ends at its deadline of a few milliseconds.
async fn answer(
    State(policies): State<Arc<Policies>>,
    (method, uri, headers): (Method, Uri, HeaderMap),
    body: String,
) -> (StatusCode, Json<Value>) {
    let Ok(body) = Body::try_json(body) else {
        let error = json!({"error": "the body is no JSON object"});
        return (StatusCode::BAD_REQUEST, Json(error));
    };
    let model = body.member("model").map(serde_json::from_str);
    let mut request =
        PlainRequest::new("messages", method.as_str(), uri.to_string()).with_headers(&headers);
    request.caller.key_id = "you".into();
    request.caller.tier = Some("free".into());
    request.head.model = model.and_then(Result::ok);
    request.body = body;
    match decide(&policies, request) {
        Ok(decided) => (StatusCode::OK, Json(decided)),
        Err(rejection) => {
            let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::FORBIDDEN);
            (status, Json(json!({ "error": rejection.to_string() })))
        }
    }
}

/// Lets the current plugins decide who asks, where the request goes and who pays.
fn decide(policies: &Policies, request: PlainRequest) -> Result<Value, Rejection> {
    let lineup = policies.current();
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
    let targets = plan.targets.iter().map(|it| json!([it.upstream, it.model]));
    let charges = charges
        .iter()
        .map(|it| json!([it.charge.account, it.charge.amount]));
    Ok(json!({
        "rule": plan.rule,
        "targets": targets.collect::<Value>(),
        "charges": charges.collect::<Value>(),
    }))
}
