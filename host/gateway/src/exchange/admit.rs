//! Step 4: reserves the charges of all accounts at once, or applies the plugin's remedy.

mod account_refused;
mod cap;
mod downgrade_failed;

use std::sync::Arc;
use std::time::Duration;

use witgate_journal::Failing;
use witgate_ledger::{Charge, Hold, OnShortfall, Reason, Unit, Window, seat};
use witgate_messages::endpoint::Endpoint;
use witgate_runtime::{Hook, Overrun, Remedy};

use self::downgrade_failed::downgrade_failed;
use super::decide::Decision;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::budgets::limit_reached;
use crate::clock::now;
use crate::exchange::view::View;
use crate::gateway::Gateway;
use crate::receipts::receipt::Downgrade;
use crate::text::quote;

/// A decision whose charges are reserved.
pub(super) struct Admitted {
    pub(super) decision: Decision,
}

/// Reserves the charges. The settlement keeps the hold and settles it, however the exchange ends.
///
/// # Errors
///
/// A budget is exhausted and the plugin's remedy is to refuse, or a charge is invalid.
pub(super) async fn admit(
    mut decision: Decision,
    gateway: &Gateway,
    settlement: &mut Settlement,
) -> Result<Admitted, Refused> {
    let mut downgraded = false;
    let mut charges = parse(&decision, settlement.id())?;
    // A count of tokens costs nothing, and clients that are refused one send paid requests instead.
    let is_free = decision.view.endpoint == Endpoint::CountTokens;
    loop {
        if charges.is_empty() {
            settlement.admit(None, None);
            return Ok(Admitted { decision });
        }
        if let Some(failing) = gateway.journal.refusal() {
            if is_free {
                charges.clear();
                continue;
            }
            return Err(not_recorded(&failing));
        }
        let owner = decision.view.caller.owner();
        let ledger = &gateway.ledger;
        let mut refused = match ledger.reserve_as(settlement.id(), charges, &owner, now()) {
            Ok(hold) => {
                // If the journal fails here, the hold is dropped, and nothing was sent.
                if let Err(failing) = gateway.journal.written(hold.position()).await
                    && gateway.journal.refusal().is_some()
                    && !is_free
                {
                    return Err(not_recorded(&failing));
                }
                let defaults = default_limits(&decision, &hold);
                settlement.admit(Some(hold), defaults);
                return Ok(Admitted { decision });
            }
            Err(refused) => refused,
        };
        let resets_in = refused
            .resets_at()
            .map(|at| Duration::from_millis(at.0.saturating_sub(now().0)));
        if is_free {
            // There is no room for its account.
            charges = Vec::new();
            continue;
        }
        let Some(short) = decision.charges.get(refused.index) else {
            return Err(match (&refused.reason, refused.charge()) {
                (Reason::NoRoom(no_room), _) => account_refused::no_room(no_room, &owner, now()),
                (Reason::Spent { .. }, Some(charge)) => {
                    cap::exceeded(charge, refused.remaining(), resets_in)
                }
                (Reason::AccountTooLong { .. } | Reason::Spent { .. }, _) => Refused::client(
                    400,
                    "the name of the session is too long for a cap on its cost",
                ),
            });
        };
        match &mut refused.reason {
            Reason::Spent { exhausted, .. } => {
                if let Some(crossing) = exhausted.take() {
                    settlement.note_crossing(*crossing);
                }
            }
            Reason::NoRoom(no_room) => {
                return Err(account_refused::no_room(no_room, &owner, now()));
            }
            Reason::AccountTooLong { bytes } => {
                return Err(account_refused::too_long(short, &decision.envelope, *bytes));
            }
        }
        let Some(short) = short.of_plugin() else {
            let answer = limit_reached::of_operator(&short.charge, refused.remaining(), resets_in);
            return Err(complete(answer, &refused, settlement));
        };
        let mut hooks = decision.lineup.begin(Arc::<View>::clone(&decision.view));
        hooks.set_context(&decision.envelope, &decision.plan);
        let remedy = hooks
            .exhausted(&short, refused.remaining(), resets_in)
            .map_err(|fault| Refused::fault(&fault))?;
        match remedy {
            Remedy::Overdraw => {
                charges = refused.charges;
                if let Some(charge) = charges.get_mut(refused.index) {
                    charge.shortfall = OnShortfall::Overdraw;
                }
            }
            Remedy::Downgrade(model) if !downgraded => {
                if !decision.may_downgrade(&model) {
                    let answer = downgrade_failed(&short, refused.remaining(), resets_in);
                    let answer = Refused {
                        message: format!(
                            "{}, and this key may not use the model `{}` instead",
                            answer.message,
                            quote(&model)
                        ),
                        ..answer
                    };
                    return Err(complete(answer, &refused, settlement));
                }
                downgraded = true;
                settlement.route().downgrade = Some(Downgrade {
                    from: decision.model(),
                    to: model.clone(),
                    account: short.charge.account.clone(),
                    plugin: Arc::clone(short.plugin.name()),
                });
                decision.downgrade(&model, settlement).await?;
                charges = parse(&decision, settlement.id())?;
            }
            Remedy::Downgrade(_) => {
                let answer = downgrade_failed(&short, refused.remaining(), resets_in);
                return Err(complete(answer, &refused, settlement));
            }
            Remedy::Refuse(refusal) => {
                let mut answer =
                    Refused::policy(short.plugin.name().to_string(), Hook::Budget, refusal);
                answer.retry_after = answer.retry_after.or(resets_in);
                return Err(complete(answer, &refused, settlement));
            }
        }
    }
}

/// Returns the limits of a hold's charges without the operator's live ones, or `None` if none of those holds.
fn default_limits(decision: &Decision, hold: &Hold) -> Option<Box<[u64]>> {
    let charges = &decision.charges;
    if charges
        .iter()
        .all(|charge| charge.charge.limit == charge.default_limit)
    {
        return None;
    }
    let defaults = charges.iter().map(|charge| charge.default_limit);
    // The caller's own cap comes last.
    let own = hold.charges().iter().skip(charges.len());
    Some(defaults.chain(own.map(|charge| charge.limit)).collect())
}

/// Completes the refusal of a request for the charge that the ledger refused.
fn complete(
    answer: Refused,
    refused: &witgate_ledger::Refused,
    settlement: &mut Settlement,
) -> Refused {
    let Some(charge) = refused.charge() else {
        return answer;
    };
    let config = &settlement.snapshot().config.budgets;
    let spent = (charge, refused.remaining());
    let (answer, headers) =
        limit_reached::refused(answer, spent, refused.resets_at(), now(), config);
    settlement.add_own_headers(&headers);
    answer
}

/// Returns the refusal for a request whose charges can't be recorded. The reason is in the log, and on the readiness page.
fn not_recorded(_: &Failing) -> Refused {
    Refused::gateway(
        503,
        "budgets can't be recorded now, because the gateway can't write its state: try again later",
    )
}

/// Returns the seat of the request's session in an account. Requests without a session are one session of their key, so that leaving
/// it out evades no limit.
fn seat_of(decision: &Decision, account: &str) -> Arc<str> {
    match decision.envelope.session.as_deref() {
        // Sessions are the caller's word: those of two tenants, or keys without one, are never the same.
        Some(session) => seat(
            account,
            &format!("{}/{session}", decision.view.caller.owner()),
        ),
        None => seat(account, &format!(":{}", decision.view.caller.id)),
    }
}

/// Parses the plugins' charges for the ledger, and adds that of the caller's own cap at the end.
///
/// # Errors
///
/// A charge has an unknown window or unit; as [`cap::charge`].
fn parse(decision: &Decision, id: &str) -> Result<Vec<Charge>, Refused> {
    let is_free = decision.view.endpoint == Endpoint::CountTokens;
    let cap = cap::charge(decision, id)?;
    let parsed: Result<Vec<_>, Refused> = decision
        .charges
        .iter()
        .map(|named| {
            let charge = &named.charge;
            let invalid = |error: witgate_ledger::UnknownCode| {
                let plugin = named.by.plugin().map_or("", |plugin| plugin);
                tracing::error!(plugin, %error, "a plugin returned an invalid charge");
                Refused::gateway(
                    503,
                    format!("the plugin `{plugin}` returned a charge with an {error}"),
                )
            };
            let unit = Unit::parse(charge.unit.code()).map_err(invalid)?;
            Ok(Charge {
                account: match unit {
                    Unit::Sessions => seat_of(decision, &charge.account),
                    _ => charge.account.as_str().into(),
                },
                window: Window::parse(charge.window.code()).map_err(invalid)?,
                unit,
                limit: charge.limit,
                amount: match unit {
                    Unit::Sessions => 1,
                    _ => charge.amount,
                },
                shortfall: match charge.overrun {
                    _ if is_free => OnShortfall::Overdraw,
                    Overrun::Cut => OnShortfall::Refuse,
                    Overrun::Finish => OnShortfall::Finish,
                },
            })
        })
        .collect();
    let mut charges = parsed?;
    charges.extend(cap);
    Ok(charges)
}
