//! Limits on thinking, which lower what a request asks for instead of reserving anything.

use std::sync::Arc;

use witgate_messages::Head;
use witgate_messages::thinking::lowered;
use witgate_runtime::{Edit, Plan, Unit};

use super::charge::BudgetCharge;
use crate::exchange::view::edit;

/// The thinking of a request that was lowered, for the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thinking {
    /// The tokens that the request asked for.
    pub(crate) asked: u64,
    /// The tokens that it may use.
    pub(crate) allowed: u64,
}

/// Takes the limits on thinking out of the charges, and lowers the request to the least of them at every target of its plan. Returns what
/// was lowered, or `None` if nothing was.
pub(crate) fn limit(
    charges: &mut Vec<BudgetCharge>,
    plan: &mut Arc<Plan>,
    head: Option<&Head>,
) -> Option<Thinking> {
    let is_limit = |charge: &&BudgetCharge| charge.charge.unit == Unit::ThinkingTokens;
    let limits = charges.iter().filter(is_limit);
    let most = limits.map(|charge| charge.charge.limit).min()?;
    charges.retain(|charge| !is_limit(&charge));
    let head = head?;
    let mut first = None;
    for index in 0..plan.targets.len() {
        let Some(target) = plan.targets.get(index) else {
            continue;
        };
        let edits: Vec<_> = target.edits.iter().map(edit).collect();
        // An edit that can't be made fails where it is made.
        let edited = match edits.is_empty() {
            true => None,
            false => head.edited(&edits).ok(),
        };
        let Some(lower) = lowered(edited.as_ref().unwrap_or(head), most) else {
            continue;
        };
        first = first.or(Some(Thinking {
            asked: lower.asked,
            allowed: lower.allowed,
        }));
        let set = Edit::Set(("thinking".to_owned(), lower.member));
        if let Some(target) = Arc::make_mut(plan).targets.get_mut(index) {
            target.edits.push(set);
        }
    }
    first
}
