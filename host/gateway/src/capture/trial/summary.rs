//! Summaries of decisions in words.

use std::fmt::Write as _;

use witgate_runtime::{self as contract, Charge, Envelope, Plan, Refusal, Reserve, UpstreamStats};

use crate::text::usd;

use super::is_in;

pub(super) fn envelope(envelope: &Envelope) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("tenant", &envelope.tenant),
        ("user", &envelope.user),
        ("session", &envelope.session),
        ("agent", &envelope.agent),
        ("resource", &envelope.resource),
        ("correlation", &envelope.correlation_id),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(text, "{name}={value} ");
        }
    }
    for (one, many, count) in [
        (
            "metadata entry",
            "metadata entries",
            envelope.metadata.len(),
        ),
        ("edit", "edits", envelope.edits.len()),
        ("header", "headers", envelope.response_headers.len()),
    ] {
        match count {
            0 => {}
            // Writing to a string cannot fail.
            1 => drop(write!(text, "1 {one} ")),
            _ => drop(write!(text, "{count} {many} ")),
        }
    }
    match text.trim_end() {
        "" => "nothing".to_owned(),
        text => text.to_owned(),
    }
}

pub(super) fn plan(plan: Option<&Plan>, known: &[UpstreamStats]) -> String {
    let Some(plan) = plan else {
        return "no plan".to_owned();
    };
    let targets: Vec<_> = plan
        .targets
        .iter()
        .map(|target| {
            let mut text = match &target.model {
                Some(model) => format!("{model} at {}", target.upstream),
                None => target.upstream.clone(),
            };
            if !is_in(known, target) {
                text.push_str(" (unknown)");
            }
            text
        })
        .collect();
    match &plan.rule {
        Some(rule) => format!("{} ({rule})", targets.join(", then ")),
        None => targets.join(", then "),
    }
}

pub(super) fn charges(charges: &[Charge]) -> String {
    if charges.is_empty() {
        return "no charge".to_owned();
    }
    let charges: Vec<_> = charges.iter().map(charge).collect();
    charges.join(", ")
}

/// Returns an amount with its limit, and whether it fits into an empty window.
fn charge(charge: &Charge) -> String {
    let Charge {
        account,
        window,
        unit,
        limit,
        amount,
        reserve,
        overrun: _,
    } = charge;
    let counted = match unit.code() {
        "picousd" => format!("{} of {} per {window}", usd(*amount), usd(*limit)),
        "in-flight" => format!("{amount} of {limit} at a time"),
        unit => format!("{amount} of {limit} {unit} per {window}"),
    };
    let counted = counted.replace(" per total", " in total");
    // The host knows the amount that is reserved in these cases only at the gateway.
    let fits = match reserve {
        Reserve::WorstCase => "the worst case is reserved",
        Reserve::Amount | Reserve::Expected if amount <= limit => "fits",
        Reserve::Amount | Reserve::Expected => "does not fit",
    };
    format!("{counted} from {account} ({fits})")
}

/// Returns the fields that plugins added, removed and changed in a receipt.
pub(super) fn fields(before: &contract::Receipt, after: &contract::Receipt) -> String {
    let missing_in =
        |fields: &[contract::Field], name: &str| !fields.iter().any(|it| it.name == name);
    let added = after
        .fields
        .iter()
        .filter(|field| missing_in(&before.fields, &field.name))
        .map(|field| format!("+{}", field.name));
    let gone = before
        .fields
        .iter()
        .filter(|field| missing_in(&after.fields, &field.name))
        .map(|field| format!("-{}", field.name));
    let other = after.fields.iter().filter(|field| {
        let same_name = |it: &&contract::Field| it.name == field.name;
        before
            .fields
            .iter()
            .find(same_name)
            .is_some_and(|it| it != *field)
    });
    let changes: Vec<_> = added
        .chain(gone)
        .chain(other.map(|field| format!("~{}", field.name)))
        .collect();
    match changes.is_empty() {
        true => "unchanged".to_owned(),
        false => changes.join(" "),
    }
}

pub(super) fn refusal(refusal: &Refusal) -> String {
    format!("{} {}: {}", refusal.status, refusal.code, refusal.message)
}

#[cfg(test)]
mod tests {
    use witgate_runtime::{Overrun, Unit, Window};

    use super::*;

    #[test]
    fn money_is_told_in_dollars_to_the_last_digit() {
        for (picousd, told) in [
            (0, "$0.00"),
            (101_400_000, "$0.0001014"),
            (1_000_000_000_000_000, "$1000.00"),
            (12_500_000_000_001, "$12.500000000001"),
        ] {
            assert_eq!(usd(picousd), told);
        }
    }

    #[test]
    fn a_charge_says_whether_it_fits_its_limit() {
        let told = |unit: &str, window: &str, amount, limit| {
            charges(&[Charge {
                account: "key:k1".to_owned(),
                window: Window::of(window),
                unit: Unit::of(unit),
                limit,
                amount,
                reserve: Reserve::Expected,
                overrun: Overrun::Finish,
            }])
        };
        assert_eq!(
            told("picousd", "month", 101_400_000, 1_000_000_000_000_000),
            "$0.0001014 of $1000.00 per month from key:k1 (fits)"
        );
        assert_eq!(
            told("tokens", "total", 10, 9),
            "10 of 9 tokens in total from key:k1 (does not fit)"
        );
        assert_eq!(
            told("in-flight", "total", 1, 3),
            "1 of 3 at a time from key:k1 (fits)"
        );
    }
}
