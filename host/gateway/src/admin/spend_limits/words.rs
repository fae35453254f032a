//! The words of the API: scopes, periods, units and amounts.

use serde_json::{Value, json};
use witgate_ledger::{MAX_ACCOUNT_BYTES, Unit, Window};

use crate::budgets::live::accounts::Kind;
use crate::budgets::live::defaults::OF_EVERYONE;
use crate::text::is_unsafe;

/// The vendor's periods, and the windows that they are here.
const PERIODS: [(&str, Window); 3] = [
    ("daily", Window::Day),
    ("weekly", Window::Week),
    ("monthly", Window::Month),
];

/// Decimals of a cent in pico-USD.
const DECIMALS: usize = 10;

/// Pico-USD in a cent.
const PER_CENT: u64 = 10_000_000_000;

/// Kinds of accounts that are scopes of their own. The others are accounts.
const SCOPES: [&str; 5] = ["organization", "tenant", "user", "key", "workspace"];

/// Scopes of the vendor's that mean nothing here, and what to use.
const FOREIGN: [(&str, &str); 1] = [(
    "rbac_group",
    "this gateway knows no groups: give their keys a tier, and set the limit of the `seat_tier`",
)];

/// The scope of the defaults for each caller of a tier.
const SEAT_TIER: &str = "seat_tier";

/// Returns the window of a period.
pub(super) fn window(period: &str) -> Option<Window> {
    let mut all = PERIODS.into_iter();
    all.find(|(name, _)| *name == period)
        .map(|(_, window)| window)
}

/// Returns the period of a window, or `None` if the vendor has no such period.
pub(super) fn period(window: Window) -> Option<&'static str> {
    let mut all = PERIODS.into_iter();
    all.find(|(_, known)| *known == window)
        .map(|(name, _)| name)
}

/// Returns the unit of a name, as sidecars write it.
pub(super) fn unit(name: &str) -> Option<Unit> {
    Unit::ALL.into_iter().find(|unit| unit_name(*unit) == name)
}

/// Returns the name of a unit.
pub(super) const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::PicoUsd => "usd",
        Unit::Tokens => "tokens",
        Unit::InputTokens => "input_tokens",
        Unit::OutputTokens => "output_tokens",
        Unit::CachedTokens => "cached_tokens",
        Unit::Requests => "requests",
        Unit::InFlight => "in_flight",
        Unit::Sessions => "sessions",
    }
}

/// Reads an amount: cents as a decimal for money, else a whole number. Returns `None` for anything else, and for more than can be counted.
pub(super) fn amount(text: &str, unit: Unit) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if unit != Unit::PicoUsd {
        return digits(text).then(|| text.parse().ok()).flatten();
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(part) || part.len() > DECIMALS {
        return None;
    }
    let part: u64 = format!("{part:0<DECIMALS$}").parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(PER_CENT)?.checked_add(part)
}

/// Writes an amount, exactly.
pub(super) fn written(amount: u64, unit: Unit) -> String {
    if unit != Unit::PicoUsd {
        return amount.to_string();
    }
    let part = format!("{:010}", amount % PER_CENT);
    match part.trim_end_matches('0') {
        "" => (amount / PER_CENT).to_string(),
        part => format!("{}.{part}", amount / PER_CENT),
    }
}

/// Returns the account of a scope.
///
/// # Errors
///
/// The text of each problem.
pub(super) fn account(scope: &Value) -> Result<String, Vec<String>> {
    let Some(members) = scope.as_object() else {
        return Err(vec!["scope: Expected object".into()]);
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let Some(kind) = text("type") else {
        return Err(vec!["scope.type: Required".into()]);
    };
    if let Some((_, instead)) = FOREIGN.iter().find(|(name, _)| *name == kind) {
        return Err(vec![format!(
            "scope.type: `{kind}` is no scope here; {instead}"
        )]);
    }
    let id = match kind {
        "account" | SEAT_TIER => kind.to_owned(),
        kind if SCOPES.contains(&kind) => format!("{kind}_id"),
        _ => {
            return Err(vec![
                "scope.type: must be user, tenant, organization, workspace, key, seat_tier or account".into(),
            ]);
        }
    };
    let mut problems: Vec<String> = members
        .keys()
        .filter(|name| *name != "type" && **name != id)
        .map(|name| format!("scope.{name}: Unrecognized key"))
        .collect();
    let account = match text(&id) {
        Some(name) if kind == "account" => name.to_owned(),
        Some("*") if kind == SEAT_TIER => {
            problems.push("scope.seat_tier: must be the name of a tier; the scope of every caller is {\"type\": \"organization\"}".into());
            return Err(problems);
        }
        Some(name) if kind == SEAT_TIER => format!("tier:{name}"),
        Some(name) => format!("{kind}:{name}"),
        // As the vendor's: the organization's default for each of its members.
        None if kind == "organization" && !members.contains_key(&id) => OF_EVERYONE.to_owned(),
        None => {
            problems.push(format!("scope.{id}: Required"));
            return Err(problems);
        }
    };
    problems.extend(check_account(&account).map(|problem| format!("scope.{id}: {problem}")));
    if problems.is_empty() {
        Ok(account)
    } else {
        Err(problems)
    }
}

fn check_account(account: &str) -> Option<String> {
    let (kind, name) = account.split_once(':').unwrap_or((account, ""));
    if kind.is_empty() || name.is_empty() {
        return Some(
            "must be the full name of an account, KIND:NAME, as on the page /budgets".into(),
        );
    }
    if kind == "run" {
        return Some("`run` is the account of callers' own caps, which they set themselves".into());
    }
    if account.len() > MAX_ACCOUNT_BYTES {
        return Some(format!("must have at most {MAX_ACCOUNT_BYTES} bytes"));
    }
    if account.contains(is_unsafe) {
        return Some("must have no control characters".into());
    }
    Kind::of(account).and_then(|kind| kind.problem(account))
}

/// Returns the scope of an account.
pub(super) fn scope(account: &str) -> Value {
    match account.split_once(':') {
        Some(_) if account == OF_EVERYONE => json!({"type": "organization"}),
        Some(("tier", name)) => json!({"type": SEAT_TIER, SEAT_TIER: name}),
        Some((kind, name)) if SCOPES.contains(&kind) => {
            json!({"type": kind, format!("{kind}_id"): name})
        }
        _ => json!({"type": "account", "account": account}),
    }
}

/// Returns the type of an account's scope.
pub(super) fn scope_type(account: &str) -> &'static str {
    let kind = match account.split(':').next() {
        _ if account == OF_EVERYONE => "organization",
        Some("tier") => return SEAT_TIER,
        kind => kind.unwrap_or_default(),
    };
    let mut scopes = SCOPES.into_iter();
    scopes.find(|scope| *scope == kind).unwrap_or("account")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_and_read_back_as_written() {
        for (text, picousd) in [
            ("0", Some(0)),
            ("50000", Some(500_000_000_000_000)),
            ("0.103", Some(1_030_000_000)),
            ("0.0000000001", Some(1)),
            ("1844674407.3709551615", Some(u64::MAX)),
            ("1844674407.3709551616", None),
            ("0.00000000001", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("$1", None),
        ] {
            assert_eq!(amount(text, Unit::PicoUsd), picousd, "{text}");
            if let Some(picousd) = picousd {
                assert_eq!(written(picousd, Unit::PicoUsd), text, "{picousd}");
            }
        }
        assert_eq!(
            amount("12", Unit::Tokens),
            Some(12),
            "other units are whole"
        );
        assert_eq!(amount("1.5", Unit::Tokens), None, "a part of a token");
    }

    #[test]
    fn a_scope_is_an_account_and_back() {
        for (scoped, named) in [
            (
                json!({"type": "user", "user_id": "acme/jane"}),
                "user:acme/jane",
            ),
            (
                json!({"type": "organization", "organization_id": "o"}),
                "organization:o",
            ),
            (
                json!({"type": "account", "account": "user+model:acme/jane+m"}),
                "user+model:acme/jane+m",
            ),
            (json!({"type": "seat_tier", "seat_tier": "pro"}), "tier:pro"),
            (json!({"type": "organization"}), "tier:*"),
        ] {
            assert_eq!(account(&scoped).as_deref(), Ok(named), "{scoped}");
            assert_eq!(scope(named), scoped, "{named}");
        }
        let same = account(&json!({"type": "account", "account": "user:jane"}));
        assert_eq!(same.as_deref(), Ok("user:jane"), "the same in other words");
    }

    #[test]
    fn every_problem_of_a_scope_is_told() {
        let told = |scope: Value| account(&scope).unwrap_err().join("; ");
        for (scope, part) in [
            (json!(1), "Expected object"),
            (json!({}), "scope.type: Required"),
            (json!({"type": "pet"}), "must be user"),
            (json!({"type": "user"}), "scope.user_id: Required"),
            (json!({"type": "user", "user_id": ""}), "KIND:NAME"),
            (
                json!({"type": "organization", "organization_id": 1}),
                "scope.organization_id: Required",
            ),
            (json!({"type": "seat_tier"}), "scope.seat_tier: Required"),
            (
                json!({"type": "seat_tier", "seat_tier": "*"}),
                "organization",
            ),
            (
                json!({"type": "rbac_group", "rbac_group_id": "x"}),
                "no groups",
            ),
            (json!({"type": "account", "account": "run:a/b"}), "own caps"),
            (json!({"type": "account", "account": "user"}), "KIND:NAME"),
            (json!({"type": "user", "user_id": "a\nb"}), "control"),
            (json!({"type": "user", "user_id": "a".repeat(1024)}), "1024"),
        ] {
            let told = told(scope.clone());
            assert!(told.contains(part), "{scope}: {told}");
        }
        let told = told(json!({"type": "user", "user_id": "", "x": 1}));
        assert!(
            told.contains("scope.x: Unrecognized key") && told.contains("KIND:NAME"),
            "{told}"
        );
    }
}
