//! Limits of tiers, and those of single accounts.

use witgate_plugin::Problems;
use witgate_plugin::types::{self, Charge, Estimate, Window};

use super::account::Account;
use crate::money::PicoUsd;

witgate_plugin::settings! {
    /// A limit as written in the settings.
    #[derive(Debug, Default)]
    pub(super) struct LimitFile {
        account: Account,
        window: Option<String>,
        usd: Option<PicoUsd>,
        tokens: Option<u64>,
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cached_tokens: Option<u64>,
        requests: Option<u64>,
        in_flight: Option<u64>,
        sessions: Option<u64>,
        thinking_tokens: Option<u64>,
        reserve: Reserve = Reserve::default(),
        on_exhausted: Word = Word::default(),
        downgrade_to: Option<String>,
    }
}

/// The least budget for thinking that the API accepts.
const LEAST_THINKING: u64 = 1024;

/// A limit on an account in a window.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) account: Account,
    pub(crate) window: Window,
    pub(crate) unit: Unit,
    /// Maximum, in units.
    pub(crate) most: u64,
    pub(crate) reserve: Reserve,
    pub(crate) exhausted: Exhausted,
}

/// The unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    PicoUsd,
    Tokens,
    InputTokens,
    OutputTokens,
    CachedTokens,
    Requests,
    InFlight,
    Sessions,
    ThinkingTokens,
}

witgate_plugin::words! {
    /// The amount that is reserved before a request is sent.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Reserve {
        #[default]
        Expected = "expected",
        WorstCase = "worst-case",
    }
}

/// The treatment of a request that does not fit a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// Refuses it.
    Refuse,
    /// Uses this model instead.
    Downgrade(String),
    /// Serves it as long as anything is left.
    Finish,
    /// Refuses it, and ends the streams that reach the limit.
    Cut,
    /// Serves it.
    Overdraw,
}

witgate_plugin::words! {
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    enum Word {
        #[default]
        Refuse = "refuse",
        Downgrade = "downgrade",
        Finish = "finish",
        Cut = "cut",
        Overdraw = "overdraw",
    }
}

// === impl LimitFile ===

impl LimitFile {
    /// Returns the limit, or `None` after adding its problems.
    pub(super) fn check(self, path: &str, problems: &mut Problems) -> Option<Limit> {
        let amounts = [
            (Unit::PicoUsd, self.usd.map(|usd| usd.0)),
            (Unit::Tokens, self.tokens),
            (Unit::InputTokens, self.input_tokens),
            (Unit::OutputTokens, self.output_tokens),
            (Unit::CachedTokens, self.cached_tokens),
            (Unit::Requests, self.requests),
            (Unit::InFlight, self.in_flight),
            (Unit::Sessions, self.sessions),
            (Unit::ThinkingTokens, self.thinking_tokens),
        ];
        let mut amounts = amounts
            .into_iter()
            .filter_map(|(unit, most)| Some((unit, most?)));
        let (Some((unit, most)), None) = (amounts.next(), amounts.next()) else {
            problems.push(
                path,
                "name exactly one of `usd`, `tokens`, `input_tokens`, `output_tokens`, `cached_tokens`, `requests`, `in_flight`, `sessions` and `thinking_tokens`",
            );
            return None;
        };
        let window = match (unit, self.window) {
            (Unit::ThinkingTokens, None) if most < LEAST_THINKING => {
                problems.push(
                    format!("{path}.thinking_tokens"),
                    "must be at least 1024, because the API accepts no less",
                );
                None
            }
            (Unit::InFlight | Unit::ThinkingTokens, None) => Some(Window::Total),
            (Unit::InFlight | Unit::ThinkingTokens, Some(_)) => {
                problems.push(
                    format!("{path}.window"),
                    "`in_flight` and `thinking_tokens` are about requests that run, and take no window",
                );
                None
            }
            (_, None) => {
                problems.push(
                    path,
                    "name a `window`: minute, hour, day, week, month, total, day@ZONE or last-5-hours, for example",
                );
                None
            }
            (Unit::Sessions, Some(code)) if !code.starts_with("last-") => {
                problems.push(
                    format!("{path}.window"),
                    "a session is in use for some time after its last request: write last-15-minutes, for example",
                );
                None
            }
            // The host knows which windows there are.
            (_, Some(code)) => Some(Window::of(&code)),
        };
        let exhausted = match (self.on_exhausted, self.downgrade_to) {
            (Word::Refuse, None) => Some(Exhausted::Refuse),
            (Word::Finish, None) => Some(Exhausted::Finish),
            (Word::Cut, None) => Some(Exhausted::Cut),
            (Word::Overdraw, None) => Some(Exhausted::Overdraw),
            (Word::Downgrade, Some(model)) => Some(Exhausted::Downgrade(model)),
            (Word::Downgrade, None) => {
                problems.push(
                    path,
                    "`on_exhausted = \"downgrade\"` needs a model in `downgrade_to`",
                );
                None
            }
            (_, Some(_)) => {
                problems.push(
                    format!("{path}.downgrade_to"),
                    "only `on_exhausted = \"downgrade\"` uses it",
                );
                None
            }
        };
        Some(Limit {
            account: self.account,
            window: window?,
            unit,
            most,
            reserve: self.reserve,
            exhausted: exhausted?,
        })
    }
}

// === impl Limit ===

impl Limit {
    /// Returns the charge of a request on this account.
    pub(crate) fn charge(&self, account: String, estimate: &Estimate) -> Charge {
        Charge {
            account,
            window: self.window.clone(),
            unit: self.unit.of_contract(),
            limit: self.most,
            amount: self.unit.amount(estimate),
            reserve: self.reserve.of_contract(),
            overrun: self.exhausted.overrun(),
        }
    }

    /// Returns whether the limit is for this account alone.
    pub(crate) fn is_for(&self, account: &str) -> bool {
        let name = account.split_once(':').map(|(_, name)| name);
        self.account.name.as_deref() == name
    }

    /// Returns whether a charge came from this limit.
    pub(crate) fn made(&self, charge: &Charge) -> bool {
        let of_account = charge.account.split_once(':').is_some_and(|(kind, name)| {
            kind == self.account.kind && self.account.name.as_deref().is_none_or(|own| own == name)
        });
        of_account && charge.window == self.window && charge.unit == self.unit.of_contract()
    }

    /// Returns whether both limits count the same kind of account, window and unit.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        self.account.kind == other.account.kind
            && self.window == other.window
            && self.unit == other.unit
    }

    /// Returns whether both limits count the same account, window and unit.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        self.counts_like(other) && self.account.name == other.account.name
    }
}

// === impl Reserve ===

impl Reserve {
    pub(crate) const fn of_contract(self) -> types::Reserve {
        match self {
            Self::Expected => types::Reserve::Expected,
            Self::WorstCase => types::Reserve::WorstCase,
        }
    }
}

// === impl Exhausted ===

impl Exhausted {
    /// Returns the treatment of a stream that reaches the limit.
    pub(crate) const fn overrun(&self) -> types::Overrun {
        match self {
            Self::Cut => types::Overrun::Cut,
            Self::Refuse | Self::Downgrade(_) | Self::Finish | Self::Overdraw => {
                types::Overrun::Finish
            }
        }
    }
}

// === impl Unit ===

impl Unit {
    pub(crate) const fn of_contract(self) -> types::Unit {
        match self {
            Self::PicoUsd => types::Unit::Picousd,
            Self::Tokens => types::Unit::Tokens,
            Self::InputTokens => types::Unit::InputTokens,
            Self::OutputTokens => types::Unit::OutputTokens,
            Self::CachedTokens => types::Unit::CachedTokens,
            Self::Requests => types::Unit::Requests,
            Self::InFlight => types::Unit::InFlight,
            Self::Sessions => types::Unit::Sessions,
            Self::ThinkingTokens => types::Unit::ThinkingTokens,
        }
    }

    pub(crate) const fn is_money(self) -> bool {
        matches!(self, Self::PicoUsd)
    }

    /// Returns the expected use of a request. An unknown cost counts as zero until the host settles it. What a cache will provide is
    /// not known before the answer, so the whole prompt is expected to be read from it, and the whole of it not to be.
    pub(crate) fn amount(self, estimate: &Estimate) -> u64 {
        match self {
            Self::PicoUsd => estimate.cost_picousd.unwrap_or_default(),
            Self::Tokens => estimate
                .prompt_tokens
                .saturating_add(estimate.output_tokens),
            Self::InputTokens | Self::CachedTokens => estimate.prompt_tokens,
            Self::OutputTokens => estimate.output_tokens,
            Self::Requests | Self::InFlight | Self::Sessions => 1,
            Self::ThinkingTokens => 0,
        }
    }
}
