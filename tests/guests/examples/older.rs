//! A plugin of version 0.2 of the contract, which tells in each hook what it was given whole: envelope, plan and receipts.
//!
//! - `envelope` names the key's tenant, the model of the head and `metadata.user_id`;
//! - `route` plans everything to the first upstream under the rule of the envelope's tenant;
//! - `budget` charges a request to the account of the plan's rule;
//! - `audit` hands the receipts back, each with the field `older`.
//!
//! With the header `x-hostile: envelope:leak` it keeps the borrowed request, which is a fault.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(
        dead_code,
        reason = "the guest is only whole on wasm32; elsewhere it is compiled for the linters"
    )
)]

#[allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "generated code"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "plugin",
        path: "../../wit/frozen/0.2.0",
    });
}

use bindings::exports::witgate::plugin::{audit, budget, envelope, lifecycle, route};
use bindings::witgate::plugin::types::{
    Charge, Envelope, Estimate, Field, Plan, Receipt, Refusal, Remedy, Request, Target,
    UpstreamStats, Value,
};

struct Older;

#[cfg(target_arch = "wasm32")]
#[allow(
    unsafe_code,
    reason = "generated code: the exports of the component ABI"
)]
mod exports {
    use super::Older;

    crate::bindings::export!(Older with_types_in crate::bindings);
}

impl lifecycle::Guest for Older {
    fn configure() -> Result<(), Vec<lifecycle::Problem>> {
        Ok(())
    }
}

impl envelope::Guest for Older {
    fn read(request: &Request) -> Result<Envelope, Refusal> {
        if request.header("x-hostile").as_deref() == Some("envelope:leak") {
            // The generated wrapper gives the handle up here and does not drop it at the end of the call.
            request.take_handle();
        }
        let head = request.head();
        Ok(Envelope {
            correlation_id: None,
            resource: None,
            tenant: request.caller().tenant,
            user: head.user_id,
            session: head.model,
            agent: None,
            metadata: Vec::new(),
            timeout_ms: None,
            secondary_index: None,
            edits: Vec::new(),
            response_headers: Vec::new(),
            attributes: Vec::new(),
        })
    }
}

impl route::Guest for Older {
    fn decide(
        _: &Request,
        envelope: Envelope,
        upstreams: Vec<UpstreamStats>,
    ) -> Result<Option<Plan>, Refusal> {
        let first = upstreams.into_iter().next();
        Ok(first.map(|first| Plan {
            rule: envelope.tenant,
            targets: vec![Target {
                upstream: first.name,
                model: None,
                timeout_ms: None,
                attributes: Vec::new(),
            }],
            retry_on: vec!["timeout".to_owned()],
            attributes: vec![("retries".to_owned(), "1".to_owned())],
        }))
    }
}

impl budget::Guest for Older {
    fn charges(_: &Request, _: Envelope, plan: Plan, _: Estimate) -> Result<Vec<Charge>, Refusal> {
        let rule = plan.rule.into_iter();
        Ok(rule
            .map(|rule| Charge {
                account: format!("rule:{rule}"),
                window: "total".to_owned(),
                unit: "requests".to_owned(),
                limit: 1_000,
                amount: 1,
            })
            .collect())
    }

    fn exhausted(_: &Request, _: Charge, _: u64) -> Remedy {
        Remedy::Overdraw
    }
}

impl audit::Guest for Older {
    fn entries(mut receipts: Vec<Receipt>) -> Vec<Receipt> {
        for receipt in &mut receipts {
            receipt.fields.push(Field {
                name: "older".to_owned(),
                value: Value::Flag(true),
            });
        }
        receipts
    }
}
