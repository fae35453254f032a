//! Announcements that a limit is nearly or quite used up: once for each mark, account and window.
//!
//! Each is a line in the log, a field of the receipt, a count in the metrics, and a message to the webhook if there is one. Limits
//! by the minute, and on requests at a time, are reached all the time, and are never announced.

use serde_json::json;
use witgate_ledger::{Crossing, Unit, Window};

use super::webhook::Letter;
use crate::clock::now;
use crate::text::usd;

/// The kind of an announcement.
enum Kind {
    /// Usage has reached the mark.
    Threshold,
    /// A request was refused although something is left.
    Refused,
}

fn kind(crossing: &Crossing) -> Kind {
    if crossing.percent == 100 && crossing.used < crossing.limit {
        Kind::Refused
    } else {
        Kind::Threshold
    }
}

/// Returns whether a crossing is announced.
pub(crate) fn is_announced(crossing: &Crossing) -> bool {
    crossing.unit != Unit::InFlight && crossing.window != Window::Minute
}

/// Writes the line of the log.
pub(super) fn log(crossing: &Crossing, request: &str) {
    let Crossing {
        account,
        window,
        unit,
        percent,
        used,
        limit,
        ..
    } = crossing;
    tracing::warn!(
        account = &**account,
        %window,
        unit = unit.code(),
        used,
        limit,
        request,
        "{}",
        match kind(crossing) {
            Kind::Threshold => format!("a budget has reached {percent} % of its limit"),
            Kind::Refused => "a budget refuses a request that does not fit what is left".to_owned(),
        }
    );
}

/// Returns the message to the webhook.
pub(super) fn letter(crossing: &Crossing, request: &str, owner: &str) -> Letter {
    let Crossing {
        account,
        window,
        unit,
        percent,
        used,
        limit,
        resets_at,
    } = crossing;
    let id = format!("evt_{:032x}", rand::random::<u128>());
    let dollars = |amount: u64| (*unit == Unit::PicoUsd).then(|| usd(amount));
    let body = json!({
        "id": id,
        "type": match kind(crossing) {
            Kind::Threshold => "budget.threshold",
            Kind::Refused => "budget.refused",
        },
        "created_unix_ms": now().0,
        "account": &**account,
        "owner": owner,
        "window": window,
        "unit": unit.code(),
        "percent": percent,
        "used": used,
        "limit": limit,
        "used_usd": dollars(*used),
        "limit_usd": dollars(*limit),
        "resets_at_unix_ms": resets_at.map(|at| at.0),
        "request": request,
    });
    Letter {
        id,
        body: body.to_string().into(),
    }
}
