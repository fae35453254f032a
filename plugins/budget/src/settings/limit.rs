//! Limits of tiers.

use std::borrow::Cow;

use witgate_plugin::Problems;
use witgate_plugin::json::Json;
use witgate_plugin::settings::Setting;
use witgate_plugin::types::{self, Charge, Estimate};

use crate::money::PicoUsd;

witgate_plugin::settings! {
    /// A limit as written in the settings.
    #[derive(Debug, Default)]
    pub(super) struct LimitFile {
        account: Account,
        window: Option<Window>,
        usd: Option<PicoUsd>,
        tokens: Option<u64>,
        requests: Option<u64>,
        in_flight: Option<u64>,
        reserve: Reserve = Reserve::default(),
        on_exhausted: Word = Word::default(),
        downgrade_to: Option<String>,
    }
}

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

/// The owner of an account: `key`, `tenant`, `user`, `session`, `workspace`, `environment`, `address` or `metadata.NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Account {
    #[default]
    Key,
    Tenant,
    User,
    Session,
    Workspace,
    /// An environment within its workspace, since workspaces may use the same names.
    Environment,
    /// The client's IP address.
    Address,
    Metadata(String),
}

witgate_plugin::words! {
    /// The period of a limit, aligned to UTC.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Window {
        #[default]
        Minute = "minute",
        Hour = "hour",
        Day = "day",
        Month = "month",
        Total = "total",
    }
}

/// The unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    PicoUsd,
    Tokens,
    Requests,
    InFlight,
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
            (Unit::Requests, self.requests),
            (Unit::InFlight, self.in_flight),
        ];
        let mut amounts = amounts
            .into_iter()
            .filter_map(|(unit, most)| Some((unit, most?)));
        let (Some((unit, most)), None) = (amounts.next(), amounts.next()) else {
            problems.push(
                path,
                "name exactly one of `usd`, `tokens`, `requests` and `in_flight`",
            );
            return None;
        };
        let window = match (unit, self.window) {
            (Unit::InFlight, None) => Some(Window::Total),
            (Unit::InFlight, Some(_)) => {
                problems.push(
                    format!("{path}.window"),
                    "`in_flight` counts running requests and takes no window",
                );
                None
            }
            (_, None) => {
                problems.push(path, "name a `window`: minute, hour, day, month or total");
                None
            }
            (_, window) => window,
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
    /// Returns whether a charge came from this limit.
    pub(crate) fn made(&self, charge: &Charge) -> bool {
        let of_kind = charge
            .account
            .strip_prefix(&*self.account.kind())
            .is_some_and(|rest| rest.starts_with(':'));
        of_kind
            && charge.window == self.window.of_contract()
            && charge.unit == self.unit.of_contract()
            && charge.limit == self.most
    }

    /// Returns whether both limits count the same account, window and unit.
    pub(super) fn counts_like(&self, other: &Self) -> bool {
        self.account == other.account && self.window == other.window && self.unit == other.unit
    }

    /// Returns whether the charges of both limits look the same, although their treatments differ.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        self.counts_like(other) && self.most == other.most && self.exhausted != other.exhausted
    }
}

// === impl Account ===

impl Account {
    /// Returns the part of the account's name before the first colon.
    pub(crate) fn kind(&self) -> Cow<'static, str> {
        match self {
            Self::Key => "key".into(),
            Self::Tenant => "tenant".into(),
            Self::User => "user".into(),
            Self::Session => "session".into(),
            Self::Workspace => "workspace".into(),
            Self::Environment => "environment".into(),
            Self::Address => "address".into(),
            Self::Metadata(name) => format!("metadata.{name}").into(),
        }
    }
}

impl Setting for Account {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let text = String::read(value, path, problems)?;
        Some(match (text.as_str(), text.strip_prefix("metadata.")) {
            ("key", _) => Self::Key,
            ("tenant", _) => Self::Tenant,
            ("user", _) => Self::User,
            ("session", _) => Self::Session,
            ("workspace", _) => Self::Workspace,
            ("environment", _) => Self::Environment,
            ("address", _) => Self::Address,
            (_, Some(name)) if !name.is_empty() && !name.contains(':') => {
                Self::Metadata(name.to_owned())
            }
            _ => {
                let wanted = "must be `key`, `tenant`, `user`, `session`, `workspace`, `environment`, `address` or `metadata.NAME` without a colon";
                problems.wrong(path, wanted);
                return None;
            }
        })
    }
}

// === impl Window ===

impl Window {
    pub(crate) const fn of_contract(self) -> types::Window {
        match self {
            Self::Minute => types::Window::Minute,
            Self::Hour => types::Window::Hour,
            Self::Day => types::Window::Day,
            Self::Month => types::Window::Month,
            Self::Total => types::Window::Total,
        }
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
            Self::Requests => types::Unit::Requests,
            Self::InFlight => types::Unit::InFlight,
        }
    }

    pub(crate) const fn is_money(self) -> bool {
        matches!(self, Self::PicoUsd)
    }

    /// Returns the expected use of a request. An unknown cost counts as zero until the host settles it.
    pub(crate) fn amount(self, estimate: &Estimate) -> u64 {
        match self {
            Self::PicoUsd => estimate.cost_picousd.unwrap_or_default(),
            Self::Tokens => estimate
                .prompt_tokens
                .saturating_add(estimate.output_tokens),
            Self::Requests | Self::InFlight => 1,
        }
    }
}
