//! The hooks: harmless by default, and otherwise as [`Behaviour`] says.

use crate::behaviour::Behaviour;
use crate::bindings::exports::witgate::plugin::{audit, budget, envelope, lifecycle, route};
use crate::bindings::witgate::plugin::types::{
    Charge, Edit, Envelope, Estimate, Field, Plan, Receipt, Refusal, Remedy, Request, Target,
    UpstreamStats, Value,
};
use crate::settings;

const HUGE_LIST: usize = 200_000;
const HUGE_STRING: usize = 8 << 20;

/// A charge on an account of this prefix never fits, and `exhausted` does what follows the prefix.
const EXHAUSTED: &str = "hostile:";

struct Hostile;

#[cfg(target_arch = "wasm32")]
#[allow(
    unsafe_code,
    reason = "generated code: the exports of the component ABI"
)]
mod exports {
    use super::Hostile;

    crate::bindings::export!(Hostile with_types_in crate::bindings);
}

// === impl Hostile ===

impl lifecycle::Guest for Hostile {
    fn configure() -> Result<(), Vec<lifecycle::Problem>> {
        let behaviour = settings::behaviour("configure");
        if let Some(behaviour) = behaviour {
            behaviour.act(None);
        }
        match behaviour {
            Some(Behaviour::Refuse) => Err(vec![lifecycle::Problem {
                path: "configure".to_owned(),
                message: "refused on demand".to_owned(),
            }]),
            _ => Ok(()),
        }
    }
}

impl envelope::Guest for Hostile {
    fn read(request: &Request) -> Result<Envelope, Refusal> {
        let mut envelope = harmless();
        match act(request, "envelope") {
            Some(Behaviour::Huge) => envelope.metadata = vec![Default::default(); HUGE_LIST],
            Some(Behaviour::HugeString) => envelope.session = Some("x".repeat(HUGE_STRING)),
            Some(Behaviour::Nonsense) => {
                envelope
                    .edits
                    .push(Edit::Set(("model".to_owned(), "{not json".to_owned())));
                envelope
                    .response_headers
                    .push(("not a header\r\n".to_owned(), "\0".to_owned()));
            }
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => {
                return Err(refusal(refusing));
            }
            _ => {}
        }
        if chosen(request) {
            envelope.edits.extend(edits());
        }
        Ok(envelope)
    }
}

impl route::Guest for Hostile {
    fn decide(
        request: &Request,
        _: Envelope,
        _: Vec<UpstreamStats>,
    ) -> Result<Option<Plan>, Refusal> {
        let upstream = settings::text("upstream").unwrap_or_else(|| "default".to_owned());
        let mut plan = Plan {
            rule: settings::text("marker"),
            targets: vec![Target {
                upstream,
                model: None,
                timeout_ms: None,
                attributes: Vec::new(),
            }],
            retry_on: Vec::new(),
            attributes: Vec::new(),
        };
        match act(request, "route") {
            Some(Behaviour::Huge) => plan.retry_on = vec![String::new(); HUGE_LIST],
            Some(Behaviour::HugeString) => plan.rule = Some("x".repeat(HUGE_STRING)),
            Some(Behaviour::EmptyPlan) => plan.targets.clear(),
            Some(Behaviour::Nonsense) => {
                plan.targets
                    .iter_mut()
                    .for_each(|target| target.upstream = "no such upstream".to_owned());
                plan.retry_on.push("full-moon".to_owned());
            }
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => {
                return Err(refusal(refusing));
            }
            _ => {
                if blocks(request) {
                    return Err(refusal(Behaviour::Refuse));
                }
                match targets().filter(|_| chosen(request)) {
                    Some(targets) => plan.targets = targets,
                    None if plan.rule.is_none() => return Ok(None),
                    None => {}
                }
            }
        }
        Ok(Some(plan))
    }
}

impl budget::Guest for Hostile {
    fn charges(
        request: &Request,
        _: Envelope,
        _: Plan,
        _: Estimate,
    ) -> Result<Vec<Charge>, Refusal> {
        if let Some(name) = asked(request, "exhausted").or_else(|| settings::text("exhausted")) {
            return Ok(vec![charge(format!("{EXHAUSTED}{name}"))]);
        }
        match act(request, "budget") {
            Some(Behaviour::Huge) => Ok(vec![charge(String::new()); HUGE_LIST]),
            Some(Behaviour::HugeString) => Ok(vec![charge("x".repeat(HUGE_STRING))]),
            Some(Behaviour::Nonsense) => Ok(vec![Charge {
                window: "fortnight".to_owned(),
                unit: "bananas".to_owned(),
                ..charge("nobody".to_owned())
            }]),
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => Err(refusal(refusing)),
            _ if chosen(request) => Ok(charges()),
            _ => Ok(Vec::new()),
        }
    }

    fn exhausted(_: &Request, charge: Charge, _: u64) -> Remedy {
        let behaviour = charge
            .account
            .strip_prefix(EXHAUSTED)
            .and_then(Behaviour::named);
        if let Some(behaviour) = behaviour {
            behaviour.act(None);
        }
        match behaviour {
            Some(Behaviour::HugeString) => Remedy::Downgrade("x".repeat(HUGE_STRING)),
            Some(Behaviour::Huge) => {
                let mut refusal = refusal(Behaviour::Refuse);
                refusal.attributes = vec![Default::default(); HUGE_LIST];
                Remedy::Refuse(refusal)
            }
            Some(Behaviour::Nonsense) => Remedy::Downgrade(String::new()),
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => {
                Remedy::Refuse(refusal(refusing))
            }
            _ => Remedy::Overdraw,
        }
    }
}

impl audit::Guest for Hostile {
    fn entries(mut receipts: Vec<Receipt>) -> Vec<Receipt> {
        let behaviour = receipts
            .iter()
            .find_map(asked_by)
            .or_else(|| settings::behaviour("audit"));
        if let Some(behaviour) = behaviour {
            behaviour.act(None);
        }
        match behaviour {
            Some(Behaviour::Huge) => {
                let invented = Receipt {
                    id: String::new(),
                    fields: Vec::new(),
                };
                receipts = vec![invented; HUGE_LIST];
            }
            Some(Behaviour::HugeString) => receipts.iter_mut().for_each(|receipt| {
                receipt.fields.push(Field {
                    name: "huge".to_owned(),
                    value: Value::Text("x".repeat(HUGE_STRING)),
                });
            }),
            Some(Behaviour::Nonsense) => receipts
                .iter_mut()
                .for_each(|receipt| receipt.id.push_str("-invented")),
            Some(Behaviour::Refuse) => receipts.clear(),
            _ => {}
        }
        receipts
    }
}

/// Act as asked in this hook; what is left to do is given back.
fn act(request: &Request, hook: &str) -> Option<Behaviour> {
    let behaviour = asked(request, hook)
        .as_deref()
        .and_then(Behaviour::named)
        .or_else(|| settings::behaviour(hook))?;
    behaviour.act(Some(request));
    Some(behaviour)
}

/// Returns whether the settings apply to this request.
fn chosen(request: &Request) -> bool {
    let only = settings::value("only").unwrap_or_default();
    let header = only.get("header").and_then(|header| header.as_str());
    header.is_none_or(|header| request.header(header).is_some())
}

/// The edits of the settings.
fn edits() -> Vec<Edit> {
    let edits = settings::value("edits").unwrap_or_default();
    let edits = edits.as_object().into_iter().flatten();
    edits
        .filter_map(|(name, json)| Some(Edit::Set((name.clone(), json.as_str()?.to_owned()))))
        .collect()
}

/// The plan of the settings.
fn targets() -> Option<Vec<Target>> {
    let targets = settings::value("targets")?;
    let target = |named: &str| {
        let (upstream, model) = match named.split_once('/') {
            Some((upstream, model)) => (upstream, Some(model.to_owned())),
            None => (named, None),
        };
        Target {
            upstream: upstream.to_owned(),
            model,
            timeout_ms: None,
            attributes: Vec::new(),
        }
    };
    let targets = targets
        .as_array()?
        .iter()
        .filter_map(|named| named.as_str());
    Some(targets.map(target).collect())
}

/// The charges of the settings.
fn charges() -> Vec<Charge> {
    let charges = settings::value("charges").unwrap_or_default();
    let charge = |text: &str| {
        let mut words = text.split(' ').map(str::to_owned);
        Some(Charge {
            account: words.next()?,
            window: words.next()?,
            unit: words.next()?,
            limit: words.next()?.parse().ok()?,
            amount: words.next()?.parse().ok()?,
        })
    };
    let charges = charges.as_array().into_iter().flatten();
    charges.filter_map(|text| charge(text.as_str()?)).collect()
}

/// Returns whether the settings refuse the model of the request.
fn blocks(request: &Request) -> bool {
    let Some(part) = settings::text("block") else {
        return false;
    };
    let model = request.head().model.unwrap_or_default();
    model.contains(&part)
}

/// The word that the request has for this hook.
fn asked(request: &Request, hook: &str) -> Option<String> {
    let header = request.header("x-hostile")?;
    let (named, behaviour) = header.split_once(':')?;
    (named == hook).then(|| behaviour.to_owned())
}

/// The behaviour that a receipt asks for.
fn asked_by(receipt: &Receipt) -> Option<Behaviour> {
    receipt.fields.iter().find_map(|field| match &field.value {
        Value::Text(name) if field.name == "metadata.hostile" => Behaviour::named(name),
        _ => None,
    })
}

fn harmless() -> Envelope {
    Envelope {
        correlation_id: None,
        resource: None,
        tenant: None,
        user: None,
        session: None,
        agent: None,
        metadata: Vec::new(),
        timeout_ms: None,
        secondary_index: None,
        edits: Vec::new(),
        response_headers: settings::text("marker")
            .map(|marker| {
                let name = settings::text("marker_header");
                (
                    name.unwrap_or_else(|| "x-witgate-marker".to_owned()),
                    marker,
                )
            })
            .into_iter()
            .collect(),
        attributes: vec![("guest".to_owned(), "hostile".to_owned())],
    }
}

fn refusal(behaviour: Behaviour) -> Refusal {
    Refusal {
        status: if behaviour == Behaviour::Refuse200 {
            200
        } else {
            403
        },
        code: "permission_error".to_owned(),
        message: "refused on demand".to_owned(),
        retry_after_ms: None,
        attributes: Vec::new(),
    }
}

/// A charge that never fits.
fn charge(account: String) -> Charge {
    Charge {
        account,
        window: "total".to_owned(),
        unit: "requests".to_owned(),
        limit: 0,
        amount: 1,
    }
}
