//! The functions that are counted.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use witgate_artifacts::{Artifact, BUDGET, ENVELOPE};
use witgate_audit::Sink as _;
use witgate_audit::segments::{Retention, Rotation, Segments};
use witgate_ledger::{Amounts, Charge, Ledger, OnShortfall, Unit, UnixMillis, Window};
use witgate_messages::{Edit, Head, Meter, splice};
use witgate_runtime::{
    Body, Caller, Envelope, Estimate, Head as Facts, Lineup, PlainRequest, Plan, Request, Runtime,
    RuntimeOptions, Source,
};

use crate::guest::{Guest, NEWEST};

/// A function to count.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Makes what the function needs, and returns what is counted.
    pub(crate) prepare: fn() -> Box<dyn FnMut()>,
}

pub(crate) const ALL: &[Case] = &[
    Case {
        name: "head scan, 50 KB",
        prepare: scan,
    },
    Case {
        name: "splice of the model, 50 KB",
        prepare: splice_model,
    },
    Case {
        name: "meter, JSON answer of 1 KB",
        prepare: meter_json,
    },
    Case {
        name: "meter, stream of 100 deltas",
        prepare: meter_stream,
    },
    Case {
        name: "ledger, reserve and settle over 4 accounts",
        prepare: ledger,
    },
    Case {
        name: "hook call that does nothing",
        prepare: nop,
    },
    Case {
        name: "hook call of the envelope plugin",
        prepare: envelope,
    },
    Case {
        name: "hook call of the budget plugin",
        prepare: budget,
    },
    Case {
        name: "chain and write of a receipt of 1 KB",
        prepare: chain,
    },
];

/// A recorded turn of Claude Code, 50 KB.
const RECORDED: &[u8] =
    include_bytes!("../../../tests/fixtures/captures/cc_text_01_POST_v1_messages.body.json");

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-5-5\",\"content\":[],\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n";
const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" and so on\"}}\n\n";
const LAST: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2000}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

const NOW: UnixMillis = UnixMillis(1_795_225_386_000);

fn scan() -> Box<dyn FnMut()> {
    let body = Bytes::from_static(RECORDED);
    Box::new(move || {
        black_box(Head::scan(black_box(body.clone()))).expect("a right body");
    })
}

fn splice_model() -> Box<dyn FnMut()> {
    let head = Head::scan(Bytes::from_static(RECORDED)).expect("a right body");
    let edits = [Edit::Set(
        "model".to_owned(),
        "\"claude-haiku-4-5\"".to_owned(),
    )];
    Box::new(move || {
        black_box(splice(black_box(&head), black_box(&edits))).expect("a right edit");
    })
}

fn meter_json() -> Box<dyn FnMut()> {
    let text = "word ".repeat(160);
    let answer = format!(
        "{{\"id\":\"msg_01\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-opus-5-5\",\"content\":[{{\"type\":\"text\",\
         \"text\":\"{text}\"}}],\"stop_reason\":\"end_turn\",\"usage\":{{\"input_tokens\":500,\"output_tokens\":120}}}}"
    );
    Box::new(move || {
        let mut meter = Meter::json();
        meter.feed(black_box(answer.as_bytes()));
        black_box(meter.finish());
    })
}

fn meter_stream() -> Box<dyn FnMut()> {
    let stream = [START, &DELTA.repeat(100), LAST].concat();
    Box::new(move || {
        let mut meter = Meter::sse();
        for chunk in stream.as_bytes().chunks(DELTA.len()) {
            meter.feed(black_box(chunk));
        }
        black_box(meter.finish());
    })
}

fn ledger() -> Box<dyn FnMut()> {
    let accounts = [
        ("tenant:acme", Window::Month, Unit::PicoUsd),
        ("key:k-2a6d", Window::Day, Unit::PicoUsd),
        ("user:jane@acme.example", Window::Minute, Unit::Tokens),
        ("session:0f5b9a6e", Window::Total, Unit::InFlight),
    ];
    let charges = accounts.map(|(account, window, unit)| Charge {
        account: Arc::from(account),
        window,
        unit,
        limit: u64::MAX,
        amount: 1_000,
        shortfall: OnShortfall::Refuse,
    });
    let ledger = Ledger::new();
    Box::new(move || {
        let hold = ledger.reserve(black_box(charges.to_vec()), "acme", NOW);
        black_box(hold.expect("there is room").settle(Amounts {
            picousd: 900,
            tokens: 900,
            requests: 1,
            ..Amounts::default()
        }));
    })
}

/// The lineup of one plugin, and a request for it.
fn hook(wasm: &[u8], sidecar: &str) -> (Lineup, Arc<dyn Request>) {
    let runtime = Runtime::try_new(RuntimeOptions::default()).expect("the engine starts");
    let source = Source::new("counted", wasm.to_vec()).with_sidecar(sidecar.to_owned());
    let plugin = runtime
        .admit(&source)
        .unwrap_or_else(|error| panic!("{error}"));
    let body = std::str::from_utf8(RECORDED).expect("text").to_owned();
    let request = PlainRequest::new("messages", "POST", "/v1/messages?beta=true")
        .with_id("req_1")
        .with_headers([
            ("anthropic-version", "2023-06-01"),
            ("user-agent", "claude-cli/2.1.0 (external, cli)"),
        ])
        .with_caller(Caller {
            key_id: "key-1".to_owned(),
            tenant: Some("acme".to_owned()),
            tier: Some("enterprise".to_owned()),
            ..Caller::default()
        })
        .with_head(Facts {
            model: Some("claude-sonnet-5-5".to_owned()),
            max_tokens: Some(32_000),
            ..Facts::default()
        })
        .with_body(Body::try_json(body).expect("JSON"));
    // The engine lives as long as the process.
    std::mem::forget(runtime);
    (Lineup::new(1, vec![plugin], &[]), Arc::new(request))
}

fn shipped(artifact: &Artifact) -> (Lineup, Arc<dyn Request>) {
    let name = artifact.name();
    let path = format!("{}/../policies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let sidecar = std::fs::read_to_string(path).expect("the shipped sidecar");
    hook(artifact.bytes(), &sidecar)
}

fn nop() -> Box<dyn FnMut()> {
    let guest = Guest::new().version(NEWEST).with("route", "").build();
    let (lineup, request) = hook(&guest, "[grants]\nbody = \"none\"\n");
    let envelope = Arc::new(Envelope::default());
    Box::new(move || {
        let mut hooks = lineup.begin(Arc::clone(&request));
        black_box(hooks.route(&envelope, None)).expect("it serves");
    })
}

fn envelope() -> Box<dyn FnMut()> {
    let (lineup, request) = shipped(&ENVELOPE);
    Box::new(move || {
        let mut hooks = lineup.begin(Arc::clone(&request));
        black_box(hooks.envelope()).expect("it serves");
    })
}

fn budget() -> Box<dyn FnMut()> {
    let (lineup, request) = shipped(&BUDGET);
    let envelope = Arc::new(Envelope {
        tenant: Some("acme".to_owned()),
        user: Some("someone@acme.example".to_owned()),
        ..Envelope::default()
    });
    let (plan, estimate) = (
        Arc::new(Plan::to("default")),
        Estimate {
            prompt_tokens: 500,
            output_tokens: 32_000,
            cost_picousd: Some(480_000_000_000),
        },
    );
    Box::new(move || {
        let mut hooks = lineup.begin(Arc::clone(&request));
        black_box(hooks.charges(&envelope, &plan, &estimate)).expect("it serves");
    })
}

fn chain() -> Box<dyn FnMut()> {
    let folder = tempfile::tempdir().expect("a folder");
    let rotation = Rotation {
        max_bytes: NonZeroU64::MAX,
        retention: Retention::default(),
        rule: None,
    };
    let mut sink = Segments::new(folder.path().join("receipts.jsonl"), rotation);
    let line = format!("{{\"id\":\"req_wg1\",\"pad\":\"{}\"}}\n", "x".repeat(1_000));
    Box::new(move || {
        let _ = &folder;
        sink.append(black_box(line.as_bytes()))
            .expect("it is written");
    })
}
