//! The calls of the shipped plugins through the host, beside calls that carry nothing.

use std::hint::black_box;
use std::sync::Arc;

use witgate_artifacts::{AUDIT, Artifact, BUDGET, ENVELOPE, GUARD, ROUTE};
use witgate_runtime::{
    Body, Caller, ContentKind, Envelope, Estimate, Field, Head, Lineup, PlainRequest, Plan,
    Receipt, Request, Runtime, RuntimeOptions, Source, UpstreamStats, Upstreams, Value,
};

use crate::guest::{Guest, NEWEST, SUBSCRIBED};
use crate::turns;

/// Receipts in an audit call.
const BATCH: usize = 32;

/// A piece of a text as a delta of a stream has it.
const PIECE: &str = " and the hash of each file is compared. ";

/// Settings with which each plugin has something to say.
const RESOURCE: &str = "[grants]\nbody = \"head\"\n[settings]\n[[settings.resources]]\nname = \"claude-*\"\n\
    targets = [{ upstream = \"first\", model = \"claude-sonnet-5-5\" }, { upstream = \"second\" }]\n";
const LIMITS: &str = "[grants]\nbody = \"head\"\nclock = true\n[settings]\n[[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"day\"\nusd = \"50.00\"\n\
    [[settings.tiers.pro.limits]]\naccount = \"key\"\nin_flight = 4\n";
const EDITS: &str = "[grants]\nbody = \"none\"\n[settings]\ndrop = [\"metadata.*\"]\nhash = [\"user\", \"session\"]\n\
    salt = \"0123456789abcdef\"\ntags = { region = \"eu\" }\n";

/// Prints what each call costs, and what it costs over one of a plugin that does nothing in the same hook.
pub(crate) fn over_nop() {
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let request: Arc<dyn Request> = Arc::new(claude_code());
    let envelope = Arc::new(Envelope {
        tenant: Some("acme".to_owned()),
        user: Some("someone@acme.example".to_owned()),
        session: Some("9f0c6b1e-7f5e-4b6a-a1c6-0d8a5f0f2f10".to_owned()),
        ..Envelope::default()
    });
    let upstreams: Arc<dyn Upstreams> = Arc::new(
        ["first", "second"]
            .map(|name| UpstreamStats {
                name: name.to_owned(),
                ..UpstreamStats::default()
            })
            .to_vec(),
    );
    let plan = Arc::new(Plan::to("first"));
    let estimate = Estimate {
        prompt_tokens: 500,
        output_tokens: 32_000,
        cost_picousd: Some(480_000_000_000),
    };

    println!("hook      settings  a call, ns  nop, ns  over nop, ns");
    let read = |lineup: &Lineup| {
        let mut hooks = lineup.begin(Arc::clone(&request));
        black_box(hooks.envelope().expect("it serves"));
    };
    row(
        &runtime,
        "envelope",
        "shipped",
        &ENVELOPE,
        &shipped("envelope"),
        &read,
    );

    let decide = |lineup: &Lineup| {
        let mut hooks = lineup.begin(Arc::clone(&request));
        black_box(
            hooks
                .route(&envelope, Some(Arc::clone(&upstreams)))
                .expect("it serves"),
        );
    };
    row(
        &runtime,
        "route",
        "shipped",
        &ROUTE,
        &shipped("route"),
        &decide,
    );
    row(&runtime, "route", "resource", &ROUTE, RESOURCE, &decide);

    let charge = |lineup: &Lineup| {
        let mut hooks = lineup.begin(Arc::clone(&request));
        black_box(
            hooks
                .charges(&envelope, &plan, &estimate)
                .expect("it serves"),
        );
    };
    row(
        &runtime,
        "budget",
        "shipped",
        &BUDGET,
        &shipped("budget"),
        &charge,
    );
    row(&runtime, "budget", "limits", &BUDGET, LIMITS, &charge);

    println!("a piece of {} bytes", PIECE.len());
    guard(&runtime, &request, &envelope);

    println!("a batch of {BATCH} receipts, ns a receipt");
    let receipts = vec![receipt(); BATCH];
    let edit = |lineup: &Lineup| {
        black_box(lineup.audit(receipts.clone(), |_| true));
    };
    row(
        &runtime,
        "audit",
        "shipped",
        &AUDIT,
        &shipped("audit"),
        &edit,
    );
    row(&runtime, "audit", "edits", &AUDIT, EDITS, &edit);
}

/// Prints what a guard costs that passes a piece.
fn guard(runtime: &Runtime, request: &Arc<dyn Request>, envelope: &Arc<Envelope>) {
    let guards = |wasm: &[u8], sidecar: &str| {
        let source = Source::new("guard", wasm.to_vec()).with_sidecar(sidecar.to_owned());
        let plugin = runtime
            .admit(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        let lineup = Lineup::new(1, vec![plugin], &[]);
        let hooks = lineup.begin(Arc::clone(request));
        let guards = hooks.guards(envelope).expect("it serves");
        guards.expect("a subscription")
    };
    let mut ours = guards(GUARD.bytes(), &shipped("optional/guard"));
    let nop = Guest::new()
        .version(NEWEST)
        .with("lifecycle", SUBSCRIBED)
        .with("guard", "");
    let mut nop = guards(&nop.build(), "[grants]\ncontent = [\"response\"]\n");
    let seen = turns::compare(
        || ours.inspect(ContentKind::Text, 0, PIECE, false).is_ok(),
        || nop.inspect(ContentKind::Text, 0, PIECE, false).is_ok(),
    );
    println!(
        "guard     shipped   {:10}  {:7}  {:12}",
        seen.ours, seen.baseline, seen.over
    );
}

fn row(
    runtime: &Runtime,
    hook: &'static str,
    settings: &str,
    plugin: &Artifact,
    sidecar: &str,
    call: &dyn Fn(&Lineup),
) {
    let admit = |wasm: &[u8], sidecar: &str| {
        let source = Source::new(hook, wasm.to_vec()).with_sidecar(sidecar.to_owned());
        let plugin = runtime
            .admit(&source)
            .unwrap_or_else(|error| panic!("{error}"));
        Lineup::new(1, vec![plugin], &[])
    };
    let lineup = admit(plugin.bytes(), sidecar);
    let nop = Guest::new().version(NEWEST).with(hook, "").build();
    let nop = admit(&nop, "");
    let seen = turns::compare(|| call(&lineup), || call(&nop));
    let each = |ns: i64| match hook {
        "audit" => ns / i64::try_from(BATCH).unwrap_or(1),
        _ => ns,
    };
    println!(
        "{hook:8}  {settings:8}  {:10}  {:7}  {:12}",
        each(seen.ours),
        each(seen.baseline),
        each(seen.over)
    );
}

/// Returns a shipped sidecar.
fn shipped(name: &str) -> String {
    let file = format!("{}/../policies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(file).expect("the shipped sidecar")
}

/// Returns a request as Claude Code sends it, but for the length of its body.
fn claude_code() -> PlainRequest {
    let body = r#"{"model":"claude-sonnet-4-5","max_tokens":32000,"stream":true,"messages":[]}"#;
    PlainRequest::new("messages", "POST", "/v1/messages?beta=true")
        .with_id("req_wg84da357d454259c0e1f6cd1c59d8de4a")
        .with_headers([
            ("accept", "application/json"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
            ("user-agent", "claude-cli/2.0.14 (external, cli)"),
            ("x-claude-code-session-id", "9f0c6b1e-7f5e-4b6a-a1c6-0d8a5f0f2f10"),
            ("x-claude-code-request-class", "main"),
            ("x-stainless-lang", "js"),
            ("x-stainless-retry-count", "0"),
        ])
        .with_caller(Caller {
            key_id: "key-1".to_owned(),
            tenant: Some("acme".to_owned()),
            user: Some("someone@acme.example".to_owned()),
            tier: Some("pro".to_owned()),
            labels: Vec::new(),
        })
        .with_head(Head {
            model: Some("claude-sonnet-4-5".to_owned()),
            stream: true,
            max_tokens: Some(32_000),
            message_count: 12,
            tool_count: 20,
            body_bytes: 2_048,
            prompt_tokens: 500,
        })
        .with_user_id(
            r#"{"device_id":"d1","account_uuid":"a1","session_id":"9f0c6b1e-7f5e-4b6a-a1c6-0d8a5f0f2f10"}"#
                .to_owned(),
        )
        .with_body(Body::try_json(body.to_owned()).expect("JSON"))
}

/// Returns a receipt with as many fields as an ordinary one.
fn receipt() -> Receipt {
    let text = |name: &str, value: &str| Field {
        name: name.to_owned(),
        value: Value::Text(value.to_owned()),
    };
    let number = |name: &str, value: i64| Field {
        name: name.to_owned(),
        value: Value::Integer(value),
    };
    Receipt {
        id: "req_wg84da357d454259c0e1f6cd1c59d8de4a".to_owned(),
        fields: vec![
            number("started_unix_ms", 1_795_930_622_157),
            text("endpoint", "messages"),
            text("method", "POST"),
            text("outcome", "answered"),
            number("status", 200),
            text("key", "key-1"),
            text("tier", "pro"),
            text("client.address", "127.0.0.1"),
            text("correlation_id", "req_wg84da357d454259c0e1f6cd1c59d8de4a"),
            text("tenant", "acme"),
            text("user", "someone@acme.example"),
            text("session", "9f0c6b1e-7f5e-4b6a-a1c6-0d8a5f0f2f10"),
            text("metadata.team", "search"),
            text("model.requested", "claude-sonnet-4-5"),
            text("model.served", "claude-sonnet-4-5"),
            text("attempts.0.upstream", "first"),
            number("attempts.0.status", 200),
            text("stop_reason", "end_turn"),
            number("usage.input_tokens", 500),
            number("usage.output_tokens", 300),
            number("cost_picousd", 436_000_000),
            number("bytes.request", 2_048),
            number("bytes.response", 1_024),
            number("time.first_byte_us", 28_142),
            number("time.total_us", 28_247),
        ],
    }
}
