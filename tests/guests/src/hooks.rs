//! The hooks: harmless by default, and otherwise as [`Behaviour`] says.

use crate::behaviour::{Behaviour, Facts};
use crate::bindings::exports::witgate::plugin::{audit, budget, envelope, lifecycle, route};
use crate::bindings::witgate::plugin::types::{
    Charge, Edit, Envelope, Estimate, Field, Insertion, Overrun, Plan, Refusal, Remedy, Reserve,
    RetryReason, Target, Unit, Value, Window,
};
use crate::bindings::witgate::plugin::{receipts, request};
use crate::settings;

const HUGE_LIST: usize = 200_000;
pub(crate) const HUGE_STRING: usize = 8 << 20;

/// A charge on an account of this prefix never fits, and `exhausted` does what follows the prefix.
const EXHAUSTED: &str = "hostile:";

pub(crate) struct Hostile;

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
    fn configure() -> Result<lifecycle::Configured, Vec<lifecycle::Problem>> {
        let behaviour = settings::behaviour("configure");
        if let Some(behaviour) = behaviour {
            behaviour.act(Facts::None);
        }
        match behaviour {
            Some(Behaviour::Refuse) => Err(vec![lifecycle::Problem {
                path: "configure".to_owned(),
                message: "refused on demand".to_owned(),
            }]),
            _ => Ok(lifecycle::Configured {
                interests: Vec::new(),
                content: crate::guard::content(),
                correlation_header: None,
                windows: Vec::new(),
                dialect: crate::translate::dialect(),
            }),
        }
    }
}

impl envelope::Guest for Hostile {
    fn read() -> Result<Envelope, Refusal> {
        let mut envelope = harmless();
        match act("envelope") {
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
        if chosen() {
            envelope.edits.extend(edits());
        }
        Ok(envelope)
    }
}

impl route::Guest for Hostile {
    fn decide() -> Result<Option<Plan>, Refusal> {
        let upstream = settings::text("upstream").unwrap_or_else(|| "default".to_owned());
        let mut plan = Plan {
            rule: settings::text("marker"),
            targets: vec![target(upstream, None)],
            retry_on: None,
            retries: None,
            on_disconnect: None,
            resource: None,
            attributes: Vec::new(),
        };
        match act("route") {
            Some(Behaviour::Huge) => plan.retry_on = Some(vec![RetryReason::Connect; HUGE_LIST]),
            Some(Behaviour::HugeString) => plan.rule = Some("x".repeat(HUGE_STRING)),
            Some(Behaviour::EmptyPlan) => plan.targets.clear(),
            Some(Behaviour::Nonsense) => {
                plan.targets
                    .iter_mut()
                    .for_each(|target| target.upstream = "no such upstream".to_owned());
                plan.retry_on = Some(vec![RetryReason::Other("full-moon".to_owned())]);
            }
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => {
                return Err(refusal(refusing));
            }
            _ => {
                if blocks() {
                    return Err(refusal(Behaviour::Refuse));
                }
                match targets().filter(|_| chosen()) {
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
    fn charges(_: Estimate) -> Result<Vec<Charge>, Refusal> {
        if let Some(name) = asked("exhausted").or_else(|| settings::text("exhausted")) {
            return Ok(vec![charge(format!("{EXHAUSTED}{name}"))]);
        }
        match act("budget") {
            Some(Behaviour::Huge) => Ok(vec![charge(String::new()); HUGE_LIST]),
            Some(Behaviour::HugeString) => Ok(vec![charge("x".repeat(HUGE_STRING))]),
            Some(Behaviour::Nonsense) => Ok(vec![Charge {
                window: Window::Other("fortnight".to_owned()),
                unit: Unit::Other("bananas".to_owned()),
                ..charge("nobody".to_owned())
            }]),
            Some(refusing @ (Behaviour::Refuse | Behaviour::Refuse200)) => Err(refusal(refusing)),
            _ if chosen() => Ok(charges()),
            _ => Ok(Vec::new()),
        }
    }

    fn exhausted(charge: Charge, _: u64, _: Option<u64>) -> Remedy {
        let behaviour = charge
            .account
            .strip_prefix(EXHAUSTED)
            .and_then(Behaviour::named);
        if let Some(behaviour) = behaviour {
            behaviour.act(Facts::None);
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
    fn edit(count: u32) -> Option<Vec<audit::Edits>> {
        let behaviour = (0..count)
            .find_map(asked_by)
            .or_else(|| settings::behaviour("audit"));
        if let Some(behaviour) = behaviour {
            behaviour.act(Facts::None);
        }
        let edits = |receipt, changes| audit::Edits { receipt, changes };
        match behaviour {
            Some(Behaviour::Huge) => Some(vec![edits(None, Vec::new()); HUGE_LIST]),
            Some(Behaviour::HugeString) => {
                let field = Field {
                    name: "huge".to_owned(),
                    value: Value::Text("x".repeat(HUGE_STRING)),
                };
                Some(vec![edits(None, vec![audit::ReceiptEdit::Set(field)])])
            }
            // The receipt after the last one, and one far from all.
            Some(Behaviour::Nonsense) => Some(vec![edits(Some(count), Vec::new())]),
            Some(Behaviour::Refuse) => Some(vec![edits(Some(u32::MAX), Vec::new())]),
            _ => None,
        }
    }
}

/// Act as asked in this hook; what is left to do is given back.
pub(crate) fn act(hook: &str) -> Option<Behaviour> {
    let behaviour = asked(hook)
        .as_deref()
        .and_then(Behaviour::named)
        .or_else(|| settings::behaviour(hook))?;
    behaviour.act(Facts::Request);
    Some(behaviour)
}

/// Returns whether the settings apply to this request.
fn chosen() -> bool {
    let only = settings::value("only").unwrap_or_default();
    let header = only.get("header").and_then(|header| header.as_str());
    header.is_none_or(|header| request::header(header).is_some())
}

/// The edits of the settings.
fn edits() -> Vec<Edit> {
    edits_of(&settings::value("edits").unwrap_or_default())
}

/// The edits of a table: a name with a plus before it gets an element more.
fn edits_of(table: &serde_json::Value) -> Vec<Edit> {
    let edit = |(name, json): (&String, &serde_json::Value)| {
        let json = json.as_str()?.to_owned();
        Some(match name.strip_prefix('+') {
            Some(member) => Edit::Insert(Insertion {
                member: member.to_owned(),
                index: None,
                element: json,
            }),
            None => Edit::Set((name.clone(), json)),
        })
    };
    let table = table.as_object().into_iter().flatten();
    table.filter_map(edit).collect()
}

/// The plan of the settings.
fn targets() -> Option<Vec<Target>> {
    let targets = settings::value("targets")?;
    let named = |named: &str| match named.split_once('/') {
        Some((upstream, model)) => target(upstream.to_owned(), Some(model.to_owned())),
        None => target(named.to_owned(), None),
    };
    let targets = targets
        .as_array()?
        .iter()
        .filter_map(|named| named.as_str());
    Some(targets.map(named).collect())
}

fn target(upstream: String, model: Option<String>) -> Target {
    Target {
        edits: settings::value("target_edits")
            .and_then(|tables| Some(edits_of(tables.get(&upstream)?)))
            .unwrap_or_default(),
        upstream,
        model,
        timeout_ms: None,
        attributes: Vec::new(),
    }
}

/// The charges of the settings.
fn charges() -> Vec<Charge> {
    let charges = settings::value("charges").unwrap_or_default();
    let charge = |text: &str| {
        let mut words = text.split(' ').map(str::to_owned);
        Some(Charge {
            account: words.next()?,
            window: window(&words.next()?),
            unit: unit(&words.next()?),
            limit: words.next()?.parse().ok()?,
            amount: words.next()?.parse().ok()?,
            reserve: Reserve::Amount,
            overrun: Overrun::Finish,
        })
    };
    let charges = charges.as_array().into_iter().flatten();
    charges.filter_map(|text| charge(text.as_str()?)).collect()
}

fn window(code: &str) -> Window {
    match code {
        "minute" => Window::Minute,
        "hour" => Window::Hour,
        "day" => Window::Day,
        "week" => Window::Week,
        "month" => Window::Month,
        "total" => Window::Total,
        other => Window::Other(other.to_owned()),
    }
}

fn unit(code: &str) -> Unit {
    match code {
        "picousd" => Unit::Picousd,
        "tokens" => Unit::Tokens,
        "input-tokens" => Unit::InputTokens,
        "output-tokens" => Unit::OutputTokens,
        "cached-tokens" => Unit::CachedTokens,
        "sessions" => Unit::Sessions,
        "thinking-tokens" => Unit::ThinkingTokens,
        "requests" => Unit::Requests,
        "in-flight" => Unit::InFlight,
        other => Unit::Other(other.to_owned()),
    }
}

/// Returns whether the settings refuse the model of the request.
fn blocks() -> bool {
    let Some(part) = settings::text("block") else {
        return false;
    };
    let model = request::head().model.unwrap_or_default();
    model.contains(&part)
}

/// The word that the request has for this hook.
fn asked(hook: &str) -> Option<String> {
    let header = request::header("x-hostile")?;
    let (named, behaviour) = header.split_once(':')?;
    (named == hook).then(|| behaviour.to_owned())
}

/// The behaviour that a receipt asks for.
fn asked_by(receipt: u32) -> Option<Behaviour> {
    match receipts::get_field(receipt, "metadata.hostile")? {
        Value::Text(name) => Behaviour::named(&name),
        Value::Integer(_) | Value::Flag(_) => None,
    }
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

pub(crate) fn refusal(behaviour: Behaviour) -> Refusal {
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
        window: Window::Total,
        unit: Unit::Requests,
        limit: 0,
        amount: 1,
        reserve: Reserve::Amount,
        overrun: Overrun::Finish,
    }
}
