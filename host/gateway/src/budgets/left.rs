//! Headers that say what is left of the limits of a request.
//!
//! `witgate-budget` lists all of them. The `anthropic-ratelimit-unified-*` headers are those by which clients of subscriptions, among
//! them Claude Code, warn their user; they are set for the limit in dollars that is used most, of those by the day, week or month. Usage is
//! that of the requests that have ended, so it does not contain the one that is answered.

use std::fmt::Write as _;

use witgate_http::Headers;
use witgate_ledger::{Calendar, Hold, Standing, Unit, UnixMillis, Window};

use super::live::UNLIMITED;
use crate::text::{push_dollars, push_number};

/// The beginning of the names of the headers by which subscriptions tell their limits.
pub(crate) const UNIFIED: &str = "anthropic-ratelimit-unified-";

const BUDGET: &str = "witgate-budget";
const STATUS: &str = "anthropic-ratelimit-unified-status";
const RESET: &str = "anthropic-ratelimit-unified-reset";
const CLAIM: &str = "anthropic-ratelimit-unified-representative-claim";
const OVERAGE_STATUS: &str = "anthropic-ratelimit-unified-overage-status";
const OVERAGE_RESET: &str = "anthropic-ratelimit-unified-overage-reset";
const UTILIZATION: &str = "anthropic-ratelimit-unified-overage-utilization";
const SURPASSED: &str = "anthropic-ratelimit-unified-overage-surpassed-threshold";
const PERIOD: &str = "anthropic-ratelimit-unified-overage-period";
const DISABLED: &str = "anthropic-ratelimit-unified-overage-disabled-reason";

/// The parts of a limit at which clients warn, in percent, and their names, the highest first.
const CLIENT_MARKS: [(u64, &str); 2] = [(95, "0.95"), (75, "0.75")];

/// Adds `witgate-budget` for what a hold reserves on.
pub(crate) fn own(hold: &Hold, headers: &mut Headers) {
    let mut text = String::with_capacity(96);
    for standing in hold.standings() {
        let is_level = matches!(standing.charge.unit, Unit::InFlight | Unit::Sessions);
        if is_level || standing.limit == UNLIMITED {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        write(&standing, &mut text);
    }
    if !text.is_empty() {
        headers.push_text(BUDGET, &text);
    }
}

fn write(standing: &Standing<'_>, text: &mut String) {
    let charge = standing.charge;
    // The name of the kind is the operator's; the rest of the account may be anything.
    let kind = charge.account.split(':').next().unwrap_or_default();
    let left = standing.limit.saturating_sub(standing.used);
    text.push_str(kind);
    text.push_str(";window=");
    // A zone and its slash are no token of a structured header. Writing to a string cannot fail.
    let _ = match charge.window {
        Window::Local(_) => write!(text, "\"{}\"", charge.window),
        window => write!(text, "{window}"),
    };
    text.push_str(";unit=");
    match charge.unit {
        Unit::PicoUsd => {
            text.push_str("usd;limit=\"");
            push_dollars(standing.limit, text);
            text.push_str("\";left=\"");
            push_dollars(left, text);
            text.push('"');
        }
        unit => {
            text.push_str(unit.code());
            text.push_str(";limit=");
            push_number(standing.limit, text);
            text.push_str(";left=");
            push_number(left, text);
        }
    }
    if let Some(at) = standing.resets_at {
        text.push_str(";reset=");
        push_number(at.0.div_ceil(1000), text);
    }
}

/// Adds the headers by which clients warn.
pub(crate) fn for_clients(hold: &Hold, headers: &mut Headers) {
    let shown = |standing: &Standing<'_>| {
        standing.charge.unit == Unit::PicoUsd
            && standing.limit > 0
            && standing.limit != UNLIMITED
            && standing.resets_at.is_some()
            && period(standing.charge.window).is_some()
    };
    let standings = hold.standings().filter(shown);
    let Some(fullest) = standings.max_by_key(|standing| thousandths(standing.used, standing.limit))
    else {
        return;
    };
    let percent = thousandths(fullest.used, fullest.limit) / 10;
    let surpassed = CLIENT_MARKS.into_iter().find(|(mark, _)| percent >= *mark);
    let status = match surpassed {
        Some(_) => "allowed_warning",
        None => "allowed",
    };
    headers.push_text(STATUS, status);
    headers.push_text(CLAIM, "overage");
    headers.push_text(OVERAGE_STATUS, status);
    // What is not refused is not full.
    headers.push_text(UTILIZATION, &part(percent.min(99)));
    if let Some((_, mark)) = surpassed {
        headers.push_text(SURPASSED, mark);
    }
    if let Some(at) = fullest.resets_at {
        push_reset(at, headers);
    }
}

/// Adds the headers by which clients tell their user that a limit in dollars is used up. Without the claim and the status of the overage,
/// Claude Code shows the refusal's message.
pub(crate) fn when_refused(
    (window, limit, remaining): (Window, u64, u64),
    resets_at: Option<UnixMillis>,
    headers: &mut Headers,
) {
    let used = thousandths(limit.saturating_sub(remaining), limit) / 10;
    headers.push_text(STATUS, "rejected");
    headers.push_text(UTILIZATION, &part(used));
    headers.push_text(SURPASSED, "1");
    headers.push_text(DISABLED, "org_spend_cap_reached");
    if let Some(period) = period(window) {
        headers.push_text(PERIOD, period);
    }
    if let Some(at) = resets_at {
        push_reset(at, headers);
    }
}

/// Returns a percentage as a part of one.
fn part(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

/// Returns the name of a period that clients know, or `None`.
fn period(window: Window) -> Option<&'static str> {
    let calendar = match window {
        Window::Day => Calendar::Day,
        Window::Week => Calendar::Week,
        Window::Month => Calendar::Month,
        Window::Local(local) => local.calendar(),
        Window::Minute | Window::Hour | Window::Last(_) | Window::Total => return None,
    };
    Some(match calendar {
        Calendar::Day => "daily",
        Calendar::Week => "weekly",
        Calendar::Month => "monthly",
    })
}

/// Adds the time at which a limit begins anew, in seconds.
fn push_reset(at: UnixMillis, headers: &mut Headers) {
    let mut digits = itoa::Buffer::new();
    let seconds = digits.format(at.0.div_ceil(1000));
    headers.push_text(RESET, seconds);
    headers.push_text(OVERAGE_RESET, seconds);
}

/// Returns the used part of a limit in thousandths. A limit of nothing is used up.
fn thousandths(used: u64, limit: u64) -> u64 {
    match limit {
        0 => 1000,
        _ => u64::try_from(u128::from(used) * 1000 / u128::from(limit)).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use witgate_http::Header;
    use witgate_ledger::{Amounts, Charge, Ledger, OnShortfall};

    use super::*;

    /// 2026-11-29, 12:00 UTC.
    const NOW: UnixMillis = UnixMillis(1_795_953_600_000);

    fn hold(used: u64, charges: &[(Unit, u64, Window)]) -> Hold {
        let ledger = Ledger::new();
        let charges = || {
            let charge = |(unit, limit, window): &(Unit, u64, Window)| Charge {
                account: "key:k1".into(),
                window: *window,
                unit: *unit,
                limit: *limit,
                amount: 0,
                shortfall: OnShortfall::Refuse,
            };
            charges.iter().map(charge).collect()
        };
        let first = ledger.reserve(charges(), "o", NOW).unwrap();
        first.settle(Amounts {
            picousd: used,
            tokens: 5,
            requests: 1,
            ..Amounts::default()
        });
        ledger.reserve(charges(), "o", NOW).unwrap()
    }

    fn told(headers: &Headers) -> Vec<String> {
        let line = |header: Header<'_>| {
            let name = header.name.trim_start_matches(UNIFIED);
            format!("{name}: {}", header.value.to_str().unwrap())
        };
        headers.iter().map(line).collect()
    }

    const USD: u64 = 1_000_000_000_000;

    #[test]
    fn every_limit_is_listed_with_what_is_left() {
        let charges = [
            (Unit::PicoUsd, 5 * USD, Window::Day),
            (Unit::Tokens, 100, Window::Total),
            (Unit::InFlight, 4, Window::Total),
        ];
        let mut headers = Headers::default();
        own(&hold(USD / 4, &charges), &mut headers);
        assert_eq!(
            told(&headers),
            [
                "witgate-budget: key;window=day;unit=usd;limit=\"5.00\";left=\"4.75\";reset=1795996800, \
                 key;window=total;unit=tokens;limit=100;left=95"
            ],
            "requests at a time are not"
        );
    }

    #[test]
    fn clients_are_told_of_the_limit_in_dollars_that_is_used_most() {
        let charges = [
            (Unit::PicoUsd, 5 * USD, Window::Day),
            (Unit::PicoUsd, 100 * USD, Window::Month),
        ];
        let of = |used| {
            let mut headers = Headers::default();
            for_clients(&hold(used, &charges), &mut headers);
            told(&headers).join("\n")
        };
        assert_eq!(
            of(USD),
            "status: allowed\nrepresentative-claim: overage\noverage-status: allowed\noverage-utilization: 0.20\n\
             reset: 1795996800\noverage-reset: 1795996800",
            "far from it"
        );
        assert_eq!(
            of(4 * USD),
            "status: allowed_warning\nrepresentative-claim: overage\noverage-status: allowed_warning\n\
             overage-utilization: 0.80\noverage-surpassed-threshold: 0.75\nreset: 1795996800\noverage-reset: 1795996800",
            "near it"
        );
    }

    #[test]
    fn clients_are_told_nothing_of_other_limits() {
        let charges = [
            (Unit::Tokens, 100, Window::Day),
            (Unit::PicoUsd, USD, Window::Total),
            (Unit::PicoUsd, USD, Window::Hour),
        ];
        let mut headers = Headers::default();
        for_clients(&hold(USD / 2, &charges), &mut headers);
        assert_eq!(told(&headers), [""; 0], "no period that they know");
    }

    #[test]
    fn a_refusal_tells_the_period_its_end_and_nothing_that_would_hide_the_message() {
        let mut headers = Headers::default();
        when_refused((Window::Day, 4 * USD, 0), Some(NOW), &mut headers);
        assert_eq!(
            told(&headers).join("\n"),
            "status: rejected\noverage-utilization: 1.00\noverage-surpassed-threshold: 1\n\
             overage-disabled-reason: org_spend_cap_reached\noverage-period: daily\nreset: 1795953600\noverage-reset: 1795953600",
            "by the day"
        );
    }
}
