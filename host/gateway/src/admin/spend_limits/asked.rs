//! The bodies of requests for changes. All problems of a body are reported together.

use std::sync::Arc;

use chrono::DateTime;
use serde_json::{Map, Value};
use witgate_ledger::{Unit, UnixMillis, Window};

use super::words;
use crate::budgets::live::change::Change;
use crate::budgets::live::limit::Key;
use crate::text::is_unsafe;

/// Longest reason, in characters.
const MAX_REASON: usize = 500;

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Set,
    /// Sets a limit in this unit, which the path names.
    Update(Unit),
    TopUp,
    Reset,
    Override,
}

/// A change as a body asks for it.
#[derive(Debug)]
pub(super) struct Asked {
    /// What it is on, unless the path names it.
    pub(super) key: Option<Key>,
    pub(super) change: Change,
    pub(super) reason: Option<String>,
}

/// The members of a body, and the problems found so far.
struct Body {
    members: Map<String, Value>,
    problems: Vec<String>,
}

// === impl Asked ===

impl Asked {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// Every problem, in one text.
    pub(super) fn read(kind: Kind, body: &[u8], now: UnixMillis) -> Result<Self, String> {
        let members = match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err("body: Expected object".into()),
            Err(error) => return Err(format!("body: {error}")),
        };
        let mut body = Body {
            members,
            problems: Vec::new(),
        };
        let unit = match kind {
            Kind::Update(unit) => Some(unit),
            Kind::Set | Kind::TopUp | Kind::Reset | Kind::Override => body.unit(),
        };
        let key = match kind {
            Kind::Update(_) => None,
            Kind::Set | Kind::TopUp | Kind::Reset | Kind::Override => body.key(unit),
        };
        let unit = unit.unwrap_or(Unit::PicoUsd);
        let change = match kind {
            Kind::Set | Kind::Update(_) => Change::Set(body.limit(unit)),
            Kind::TopUp => {
                let amount = body.limit(unit);
                if amount.is_none() && body.problems.is_empty() {
                    body.problem("amount: Expected string, received null");
                }
                Change::TopUp(amount.unwrap_or(0))
            }
            Kind::Reset => Change::Reset,
            Kind::Override => Change::Override(body.limit(unit), body.until(now)),
        };
        let reason = body.reason();
        body.currency(unit);
        let unknown: Vec<_> = body.members.keys().cloned().collect();
        for name in unknown {
            body.problem(match &*name {
                "pooled_budget" => "pooled_budget: is not supported; the limit of an account is shared by all of its requests".to_owned(),
                name => format!("{name}: Unrecognized key"),
            });
        }
        if body.problems.is_empty() {
            Ok(Self {
                key,
                change,
                reason,
            })
        } else {
            Err(body.problems.join("; "))
        }
    }
}

// === impl Body ===

impl Body {
    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Takes a member that is a string if it is there.
    fn text(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(format!(
                    "{name}: Expected string, received {}",
                    kind(&other)
                ));
                None
            }
        }
    }

    /// Takes the unit, or returns `None` if it is wrong.
    fn unit(&mut self) -> Option<Unit> {
        if !self.members.contains_key("unit") {
            return Some(Unit::PicoUsd);
        }
        let name = self.text("unit")?;
        let unit = words::unit(&name);
        if unit.is_none() {
            self.problem(
                "unit: must be usd, tokens, input_tokens, output_tokens, cached_tokens, requests, in_flight or sessions",
            );
        }
        unit
    }

    /// Takes what the change is on.
    fn key(&mut self, unit: Option<Unit>) -> Option<Key> {
        let account = match self.members.remove("scope") {
            None => {
                self.problem("scope: Required");
                None
            }
            Some(scope) => match words::account(&scope) {
                Ok(account) => Some(account),
                Err(problems) => {
                    self.problems.extend(problems);
                    None
                }
            },
        };
        let window = self.window(unit);
        Some(Key {
            account: Arc::from(account?),
            window: window?,
            unit: unit?,
        })
    }

    fn window(&mut self, unit: Option<Unit>) -> Option<Window> {
        let named = |body: &Self, name| body.members.contains_key(name);
        let (has_period, has_window) = (named(self, "period"), named(self, "window"));
        let period = self.text("period");
        let code = self.text("window");
        let window = match (period, code) {
            (Some(_), Some(_)) => {
                self.problem("window: must not be set beside `period`");
                None
            }
            (Some(period), None) => {
                let window = words::window(&period);
                if window.is_none() {
                    self.problem(
                        "period: must be daily, weekly or monthly; for others, use `window`",
                    );
                }
                window
            }
            (None, Some(code)) => match Window::parse(&code) {
                Ok(window) => Some(window),
                Err(unknown) => {
                    self.problem(format!("window: {unknown}"));
                    None
                }
            },
            // A problem has been told.
            (None, None) if has_period || has_window => None,
            (None, None) if unit == Some(Unit::InFlight) => Some(Window::Total),
            (None, None) => Some(Window::Month),
        };
        let wrong = match (unit, window) {
            (Some(Unit::InFlight), Some(window)) => {
                (window != Window::Total).then_some("window: `in_flight` takes none")
            }
            (Some(Unit::Sessions), Some(window)) => (!matches!(window, Window::Last(_)))
                .then_some("window: `sessions` takes one that slides, such as last-15-minutes"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.problem(wrong);
            return None;
        }
        window
    }

    /// Takes the amount. Returns `None` for no limit, or if it is wrong.
    fn limit(&mut self, unit: Unit) -> Option<u64> {
        match self.members.get("amount") {
            None => {
                self.problem("amount: Required");
                return None;
            }
            Some(Value::Null) => {
                self.members.remove("amount");
                return None;
            }
            Some(_) => {}
        }
        let text = self.text("amount")?;
        let amount = words::amount(&text, unit);
        if amount.is_none() {
            self.problem(match unit {
                Unit::PicoUsd => {
                    "amount: must be cents as a decimal without a sign, such as \"50000\" for $500, and below 2^64 pico-USD"
                }
                _ => "amount: must be a whole number without a sign, below 2^64",
            });
        }
        amount
    }

    fn until(&mut self, now: UnixMillis) -> UnixMillis {
        if !self.members.contains_key("until") {
            self.problem("until: Required");
            return now;
        }
        let Some(text) = self.text("until") else {
            return now;
        };
        let time = DateTime::parse_from_rfc3339(&text).ok();
        let time = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
        match time {
            Some(time) if time > now.0 => return UnixMillis(time),
            Some(_) => self.problem("until: must be later than now"),
            None => self.problem("until: must be a time such as 2026-12-01T08:00:00Z"),
        }
        now
    }

    fn reason(&mut self) -> Option<String> {
        if self.members.get("reason").is_some_and(Value::is_null) {
            self.members.remove("reason");
        }
        let reason = self.text("reason")?;
        if reason.chars().count() > MAX_REASON || reason.contains(is_unsafe) {
            self.problem(format!(
                "reason: must have at most {MAX_REASON} characters, on one line"
            ));
        }
        Some(reason)
    }

    fn currency(&mut self, unit: Unit) {
        if !self.members.contains_key("currency") {
            return;
        }
        let currency = self.text("currency");
        if unit != Unit::PicoUsd {
            self.problem("currency: must not be set, because the unit is no money");
        } else if currency.is_some_and(|currency| currency != "USD") {
            self.problem("currency: must be USD");
        }
    }
}

/// Returns the name of a value's type.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_225_386_000);

    fn read(kind: Kind, body: &str) -> Result<(Option<Key>, Change), String> {
        Asked::read(kind, body.as_bytes(), NOW).map(|asked| (asked.key, asked.change))
    }

    #[test]
    fn a_body_of_the_vendors_is_read_as_it_is_meant() {
        let body = r#"{"scope": {"type": "user", "user_id": "jane"}, "amount": "75000"}"#;
        let (key, change) = read(Kind::Set, body).unwrap();
        let key = key.unwrap();
        assert_eq!(
            (&*key.account, key.window, key.unit),
            ("user:jane", Window::Month, Unit::PicoUsd),
            "by the month, in dollars"
        );
        assert_eq!(change, Change::Set(Some(750_000_000_000_000)), "$750");
    }

    #[test]
    fn all_problems_of_a_body_are_reported_together() {
        let body = r#"{"scope": {"type": "user"}, "period": "hourly", "amount": 1, "currency": "EUR", "reason": 5, "colour": 1}"#;
        assert_eq!(
            read(Kind::Set, body).unwrap_err(),
            "scope.user_id: Required; period: must be daily, weekly or monthly; for others, use `window`; \
             amount: Expected string, received number; reason: Expected string, received number; \
             currency: must be USD; colour: Unrecognized key"
        );
        let body = r#"{"scope": 1, "unit": "pets", "window": "fortnight", "amount": "x", "until": "soon"}"#;
        let told = read(Kind::Override, body).unwrap_err();
        for part in ["scope:", "unit:", "window:", "amount:", "until:"] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(read(Kind::Reset, "[]").is_err(), "a list");
        assert!(read(Kind::Reset, "{").is_err(), "half a body");
    }

    #[test]
    fn units_and_windows_have_to_fit() {
        let with = |rest: &str| {
            let body =
                format!(r#"{{"scope": {{"type": "key", "key_id": "k"}}, "amount": "3", {rest}}}"#);
            read(Kind::Set, &body).map(|(key, _)| key.unwrap().window)
        };
        assert_eq!(with(r#""unit": "in_flight""#), Ok(Window::Total));
        assert!(with(r#""unit": "in_flight", "window": "day""#).is_err());
        assert!(with(r#""unit": "sessions""#).is_err(), "a month");
        assert!(with(r#""unit": "sessions", "window": "last-15-minutes""#).is_ok());
        assert!(
            with(r#""period": "daily", "window": "day""#).is_err(),
            "both"
        );
        assert!(with(r#""unit": "tokens", "currency": "USD""#).is_err());
    }

    #[test]
    fn an_override_ends_later_than_now_and_a_top_up_is_an_amount() {
        let of = |kind, rest: &str| {
            let body = format!(r#"{{"scope": {{"type": "key", "key_id": "k"}}, {rest}}}"#);
            read(kind, &body).map(|(_, change)| change)
        };
        let past = r#""amount": "1", "until": "2020-01-01T00:00:00Z""#;
        assert!(
            of(Kind::Override, past)
                .unwrap_err()
                .contains("later than now")
        );
        let free = r#""amount": null, "until": "2026-12-01T00:00:00Z""#;
        assert_eq!(
            of(Kind::Override, free),
            Ok(Change::Override(None, UnixMillis(1_796_083_200_000))),
            "no limit until then"
        );
        assert!(
            of(Kind::TopUp, r#""amount": null"#)
                .unwrap_err()
                .contains("null")
        );
    }
}
