//! The records of version 0.2, to and from those of the newest version.
//!
//! A 0.2 plugin gets whole records where a newer one asks for single facts. Codes that are enums now were texts then.

use super::generated::v0_2::witgate::plugin::types as old;
pub(crate) use super::generated::v0_2::witgate::plugin::types::{
    Caller as OldCaller, Head as OldHead,
};
use super::{
    Caller, Charge, Disconnect, Edit, Envelope, Estimate, Field, Overrun, Plan, Receipt, Refusal,
    Remedy, Reserve, RetryReason, Target, Unit, UpstreamStats, Value, Window,
    request::Scan as Head,
};

/// The plan attributes of 0.2 that are members now.
const RETRIES: &str = "retries";
const CLIENT_GONE: &str = "client-gone";
const RESOURCE: &str = "resource";

pub(crate) fn old_caller(caller: &Caller) -> old::Caller {
    let Caller {
        key_id,
        tenant,
        user,
        tier,
        labels,
    } = caller.clone();
    old::Caller {
        key_id,
        tenant,
        user,
        tier,
        labels,
    }
}

pub(crate) fn old_head(
    head: Head,
    user_id: Option<String>,
    attributes: Vec<(String, String)>,
) -> old::Head {
    old::Head {
        model: head.model,
        stream: head.stream,
        max_tokens: head.max_tokens,
        message_count: head.message_count,
        tool_count: head.tool_count,
        user_id,
        body_bytes: head.body_bytes,
        prompt_tokens: head.prompt_tokens,
        attributes,
    }
}

pub(super) fn old_envelope(envelope: &Envelope) -> old::Envelope {
    let given = envelope.clone();
    old::Envelope {
        correlation_id: given.correlation_id,
        resource: given.resource,
        tenant: given.tenant,
        user: given.user,
        session: given.session,
        agent: given.agent,
        metadata: given.metadata,
        timeout_ms: given.timeout_ms,
        secondary_index: given.secondary_index,
        edits: given.edits.into_iter().filter_map(old_edit).collect(),
        response_headers: given.response_headers,
        attributes: given.attributes,
    }
}

/// Converts an edit. Returns `None` for one that 0.2 can't say.
fn old_edit(edit: Edit) -> Option<old::Edit> {
    match edit {
        Edit::Remove(name) => Some(old::Edit::Remove(name)),
        Edit::Set(member) => Some(old::Edit::Set(member)),
        Edit::Insert(_) => None,
    }
}

pub(super) fn old_stats(stats: UpstreamStats) -> old::UpstreamStats {
    old::UpstreamStats {
        name: stats.name,
        in_flight: stats.in_flight,
        requests: stats.requests,
        errors: stats.errors,
        attributes: stats.attributes,
    }
}

pub(super) fn old_plan(plan: &Plan) -> old::Plan {
    let Plan {
        rule,
        targets,
        retry_on,
        retries,
        on_disconnect,
        resource,
        mut attributes,
    } = plan.clone();
    let disconnect = on_disconnect.map(|policy| match policy {
        Disconnect::Stop => "stop".to_owned(),
        Disconnect::Drain => "drain".to_owned(),
    });
    let members = [
        (RETRIES, retries.map(|retries| retries.to_string())),
        (CLIENT_GONE, disconnect),
        (RESOURCE, resource),
    ];
    attributes.extend(
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    old::Plan {
        rule,
        targets: targets.into_iter().map(old_target).collect(),
        retry_on: retry_on
            .into_iter()
            .flatten()
            .map(|reason| reason.code().to_owned())
            .collect(),
        attributes,
    }
}

fn old_target(target: Target) -> old::Target {
    old::Target {
        upstream: target.upstream,
        model: target.model,
        timeout_ms: target.timeout_ms,
        attributes: target.attributes,
    }
}

pub(super) fn old_estimate(estimate: Estimate) -> old::Estimate {
    old::Estimate {
        prompt_tokens: estimate.prompt_tokens,
        output_tokens: estimate.output_tokens,
        cost_picousd: estimate.cost_picousd,
    }
}

pub(super) fn old_charge(charge: &Charge) -> old::Charge {
    old::Charge {
        account: charge.account.clone(),
        window: charge.window.code().to_owned(),
        unit: charge.unit.code().to_owned(),
        limit: charge.limit,
        amount: charge.amount,
    }
}

pub(super) fn old_receipt(receipt: &Receipt) -> old::Receipt {
    let field = |field: &Field| old::Field {
        name: field.name.clone(),
        value: match &field.value {
            Value::Text(text) => old::Value::Text(text.clone()),
            Value::Integer(number) => old::Value::Integer(*number),
            Value::Flag(flag) => old::Value::Flag(*flag),
        },
    };
    old::Receipt {
        id: receipt.id.clone(),
        fields: receipt.fields.iter().map(field).collect(),
    }
}

pub(super) fn new_receipt(receipt: old::Receipt) -> Receipt {
    let field = |field: old::Field| Field {
        name: field.name,
        value: match field.value {
            old::Value::Text(text) => Value::Text(text),
            old::Value::Integer(number) => Value::Integer(number),
            old::Value::Flag(flag) => Value::Flag(flag),
        },
    };
    Receipt {
        id: receipt.id,
        fields: receipt.fields.into_iter().map(field).collect(),
    }
}

pub(super) fn new_refusal(refusal: old::Refusal) -> Refusal {
    Refusal {
        status: refusal.status,
        code: refusal.code,
        message: refusal.message,
        retry_after_ms: refusal.retry_after_ms,
        attributes: refusal.attributes,
    }
}

pub(super) fn new_envelope(envelope: old::Envelope) -> Envelope {
    let edit = |edit| match edit {
        old::Edit::Remove(name) => Edit::Remove(name),
        old::Edit::Set(member) => Edit::Set(member),
    };
    Envelope {
        correlation_id: envelope.correlation_id,
        resource: envelope.resource,
        tenant: envelope.tenant,
        user: envelope.user,
        session: envelope.session,
        agent: envelope.agent,
        metadata: envelope.metadata,
        timeout_ms: envelope.timeout_ms,
        secondary_index: envelope.secondary_index,
        edits: envelope.edits.into_iter().map(edit).collect(),
        response_headers: envelope.response_headers,
        attributes: envelope.attributes,
    }
}

pub(super) fn new_plan(plan: old::Plan) -> Plan {
    let mut attributes = plan.attributes;
    let retries = take(&mut attributes, RETRIES, |text| text.parse().ok());
    let on_disconnect = take(&mut attributes, CLIENT_GONE, |text| match text {
        "stop" => Some(Disconnect::Stop),
        "drain" => Some(Disconnect::Drain),
        _ => None,
    });
    let resource = take(&mut attributes, RESOURCE, |text| Some(text.to_owned()));
    let reasons: Vec<_> = plan
        .retry_on
        .iter()
        .map(|code| RetryReason::of(code))
        .collect();
    Plan {
        rule: plan.rule,
        targets: plan.targets.into_iter().map(new_target).collect(),
        retry_on: (!reasons.is_empty()).then_some(reasons),
        retries,
        on_disconnect,
        resource,
        attributes,
    }
}

/// Takes the first attribute of a name that parses, and leaves the others.
fn take<T>(
    attributes: &mut Vec<(String, String)>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let index = attributes.iter().position(|(known, _)| known == name)?;
    let value = parse(&attributes.get(index)?.1)?;
    attributes.remove(index);
    Some(value)
}

fn new_target(target: old::Target) -> Target {
    Target {
        upstream: target.upstream,
        model: target.model,
        timeout_ms: target.timeout_ms,
        edits: Vec::new(),
        attributes: target.attributes,
    }
}

pub(super) fn new_charge(charge: old::Charge) -> Charge {
    Charge {
        account: charge.account,
        window: Window::of(&charge.window),
        unit: Unit::of(&charge.unit),
        limit: charge.limit,
        amount: charge.amount,
        reserve: Reserve::Amount,
        overrun: Overrun::Finish,
    }
}

pub(super) fn new_remedy(remedy: old::Remedy) -> Remedy {
    match remedy {
        old::Remedy::Refuse(refusal) => Remedy::Refuse(new_refusal(refusal)),
        old::Remedy::Downgrade(model) => Remedy::Downgrade(model),
        old::Remedy::Overdraw => Remedy::Overdraw,
    }
}
