//! A guest with one export for each shape that a hook call can have, for the bench `hook_shapes`.

#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_possible_truncation,
    clippy::cast_lossless,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated code"
)]

#[path = "lean.rs"]
mod lean;

use std::hint::black_box;

use self::witgate::shapes::{facts, types};

wit_bindgen::generate!({
    world: "shapes",
    path: "examples/shapes/wit",
    skip: ["lean-option", "lean-choice", "lean-edits"],
});

struct Shapes;

export!(Shapes);

/// The plan that the route plugin of the demo makes.
fn small_plan() -> Plan {
    Plan {
        rule: Some("small subagents".to_owned()),
        targets: vec![types::Target {
            upstream: "default".to_owned(),
            model: Some("claude-haiku-5-5".to_owned()),
            timeout_ms: None,
            attributes: Vec::new(),
        }],
        retry_on: Vec::new(),
        attributes: Vec::new(),
    }
}

/// Returns a plan if the envelope names a tenant.
fn decide(envelope: &Envelope) -> Result<Option<Plan>, Refusal> {
    Ok(envelope.tenant.as_ref().map(|_| small_plan()))
}

impl Guest for Shapes {
    fn nop() {}

    fn bytes(data: Vec<u8>) -> u32 {
        black_box(data.len()) as u32
    }

    fn today(
        _: &Request,
        envelope: Envelope,
        upstreams: Vec<UpstreamStats>,
    ) -> Result<Option<Plan>, Refusal> {
        black_box(&upstreams);
        decide(&envelope)
    }

    fn today_extra(
        request: &Request,
        envelope: Envelope,
        upstreams: Vec<UpstreamStats>,
    ) -> Result<Option<Plan>, Refusal> {
        black_box((&upstreams, request.caller(), request.head()));
        decide(&envelope)
    }

    fn pushed(
        caller: Caller,
        head: Head,
        envelope: Envelope,
        estimate: Estimate,
        upstreams: Vec<UpstreamStats>,
    ) -> Result<Option<Plan>, Refusal> {
        black_box((&caller, &head, &estimate, &upstreams));
        decide(&envelope)
    }

    fn by_handle(request: &Request, texts: u32, numbers: u32) -> u64 {
        let texts: usize = (0..texts)
            .map(|_| request.text().map_or(0, |text| text.len()))
            .sum();
        let numbers: u64 = (0..numbers).map(|_| request.number()).sum();
        texts as u64 + numbers
    }

    fn by_function(texts: u32, numbers: u32) -> u64 {
        let texts: usize = (0..texts)
            .map(|_| facts::text().map_or(0, |text| text.len()))
            .sum();
        let numbers: u64 = (0..numbers).map(|_| facts::number()).sum();
        texts as u64 + numbers
    }

    fn by_record(texts: u32, numbers: u32) -> u64 {
        Self::by_arguments(facts::all()) + Self::by_function(texts, numbers)
    }

    fn by_arguments(basics: Basics) -> u64 {
        black_box(&basics).prompt_tokens
    }

    fn route(basics: Basics) -> Result<Option<Plan>, Refusal> {
        Ok(basics.model.map(|_| small_plan()))
    }

    fn budget(basics: Basics, estimate: Estimate) -> Result<Option<Vec<Charge>>, Refusal> {
        use types::{Account, Window};
        let limits = [
            (Account::Key, Window::Day),
            (Account::User, Window::Day),
            (Account::Tenant, Window::Month),
        ];
        let charge = |(account, window)| Charge {
            account,
            window,
            tokens: false,
            limit: 5_000_000_000_000,
            amount: estimate.cost_picousd.unwrap_or_default(),
        };
        let charges = || limits.into_iter().map(charge).collect();
        Ok(basics.tier.map(|_| charges()))
    }

    fn envelope_of() -> Result<Option<Changes>, Refusal> {
        let mut found = [
            "vmx",
            "x-vmx-correlation-id",
            "x-vmx-metadata-",
            "x-claude-code-session-id",
            "x-claude-code-agent-id",
            "x-claude-code-agent-type",
            "x-claude-code-request-class",
        ]
        .map(facts::header);
        Ok(Some(Changes {
            correlation_id: None,
            resource: None,
            tenant: None,
            user: facts::text(),
            session: found[3].take(),
            agent: None,
            timeout_ms: None,
            secondary_index: None,
            metadata: None,
            edits: None,
            response_headers: Some(vec![(
                "x-vmx-correlation-id".to_owned(),
                "req_01JD3Z8T5K".to_owned(),
            )]),
            attributes: None,
        }))
    }

    fn gives_option(change: bool) -> Option<Plan> {
        change.then(small_plan)
    }

    fn gives_choice(change: bool) -> Choice {
        match change {
            true => Choice::Model("claude-haiku-5-5".to_owned()),
            false => Choice::Pass,
        }
    }

    fn gives_by_call(change: bool) {
        if change {
            facts::plan_model("claude-haiku-5-5");
        }
    }

    fn gives_edits(change: bool) -> Vec<Change> {
        match change {
            true => vec![
                Change::Drop("metadata.*".to_owned()),
                Change::Hash("user".to_owned()),
            ],
            false => Vec::new(),
        }
    }

    fn gives_receipt(change: bool) -> Receipt {
        let fields = if change { 25 } else { 0 };
        Receipt {
            id: "req_01JD3Z8T5K".to_owned(),
            fields: (0..fields).map(field).collect(),
        }
    }

    fn receipts_today(receipts: Vec<Receipt>) -> Vec<Receipt> {
        black_box(receipts)
    }

    fn receipts_edits(count: u32, reads: u32) -> Vec<Change> {
        for receipt in 0..count {
            for _ in 0..reads {
                black_box(facts::field(receipt, "usage.output_tokens"));
            }
        }
        Self::gives_edits(true)
    }
}

/// A field: texts and numbers in turns.
fn field(place: i64) -> types::Field {
    types::Field {
        name: "usage.output_tokens".to_owned(),
        value: match place % 2 {
            0 => types::Value::Text("someone@acme.example".to_owned()),
            _ => types::Value::Integer(place),
        },
    }
}
