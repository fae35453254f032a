//! The budget plugin's settings: tiers with the limits of each, and limits of single accounts.

mod account;
mod limit;

pub(crate) use account::{Account, model};
pub(crate) use limit::{Exhausted, Limit};

use std::rc::Rc;

use witgate_plugin::{Problems, Table};

use self::limit::LimitFile;
use crate::BudgetPlugin;

witgate_plugin::settings! {
    /// `[settings]` of `policies/budget.toml`.
    #[derive(Debug, Default)]
    pub struct Settings {
        /// Tier of keys without one, and of keys whose tier is not listed here. If absent, these keys have no limits.
        default_tier: Option<String>,
        /// Operations that are neither charged nor counted.
        free: Vec<String> = free(),
        /// Treatment of models without a price, if the tier has a spending limit.
        unpriced: Unpriced = Unpriced::default(),
        /// The limits of each tier.
        tiers: Table<TierFile>,
        /// Limits of single accounts, in place of the same limits of a tier.
        exceptions: Vec<LimitFile>,
    }
}

/// Limits of single accounts of one kind.
#[derive(Debug)]
pub(crate) struct Exceptions {
    /// The first account, for its kind.
    pub(crate) account: Account,
    pub(crate) limits: Vec<Rc<Limit>>,
}

witgate_plugin::words! {
    /// Treatment of models without a price.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) enum Unpriced {
        /// Counts the request as free of cost. The host counts unpriced requests.
        Pass = "pass",
        /// Refuses the request.
        #[default]
        Refuse = "refuse",
    }
}

witgate_plugin::settings! {
    #[derive(Debug, Default)]
    struct TierFile {
        limits: Vec<LimitFile>,
    }
}

fn free() -> Vec<String> {
    vec!["count-tokens".to_owned(), "models".to_owned()]
}

// === impl Settings ===

impl Settings {
    pub(crate) fn check(self) -> Result<BudgetPlugin, Problems> {
        let mut problems = Problems::default();
        let default = self.default_tier.as_deref();
        if let Some(tier) = default.filter(|tier| self.tiers.get(tier).is_none()) {
            problems.push(
                "default_tier",
                format!("there is no tier `{tier}` under `tiers`"),
            );
        }
        let mut limits = Limits {
            problems,
            all: Vec::new(),
        };
        let mut tiers: Vec<(String, Vec<Rc<Limit>>)> = Vec::new();
        for (name, tier) in self.tiers {
            let path = format!("tiers.{name}.limits");
            tiers.push((name, limits.check(tier.limits, &path, Of::Tier)));
        }
        let mut exceptions: Vec<Exceptions> = Vec::new();
        for limit in limits.check(self.exceptions, "exceptions", Of::Account) {
            let same = |of: &&mut Exceptions| of.account.kind == limit.account.kind;
            match exceptions.iter_mut().find(same) {
                Some(of) => of.limits.push(limit),
                None => exceptions.push(Exceptions {
                    account: limit.account.clone(),
                    limits: vec![limit],
                }),
            }
        }
        let Limits { problems, all } = limits;
        problems.or(BudgetPlugin {
            tiers: tiers.into_iter().collect(),
            exceptions,
            all,
            default_tier: self.default_tier,
            free: self.free,
            unpriced: self.unpriced,
        })
    }
}

/// The limits found so far.
struct Limits {
    problems: Problems,
    all: Vec<Rc<Limit>>,
}

/// The owner of a list of limits.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Tier,
    Account,
}

// === impl Limits ===

impl Limits {
    /// Returns the limits of a list.
    fn check(&mut self, files: Vec<LimitFile>, path: &str, of: Of) -> Vec<Rc<Limit>> {
        let mut limits: Vec<Rc<Limit>> = Vec::new();
        for (index, file) in files.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(limit) = file.check(&path, &mut self.problems) else {
                continue;
            };
            // An account that can't be read is a problem already.
            let problem = if limit.account.kind.is_empty() {
                ""
            } else if limit.account.name.is_some() != (of == Of::Account) {
                "a limit of a tier is for every account of its kind, and one under `exceptions` is for `KIND:NAME`"
            } else if limits.iter().any(|other| limit.repeats(other)) {
                "there is a limit on the same account, window and unit already"
            } else {
                ""
            };
            if !problem.is_empty() {
                self.problems.push(&path, problem);
            }
            let limit = Rc::new(limit);
            limits.push(Rc::clone(&limit));
            self.all.push(limit);
        }
        limits
    }
}
