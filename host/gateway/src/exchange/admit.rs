//! Step 3: the money is there, or something else is. One atomic reserve over all accounts.

pub(crate) mod accounts;

use std::sync::Arc;
use std::time::Duration;

use witgate_ledger::{Charge, Ledger, OnShortfall, Reason, Unit, Window};
use witgate_runtime::{Hook, PluginCharge, Remedy};

use super::decide::Decision;
use super::settle::Settlement;
use crate::answer::refused::Refused;
use crate::clock::now;
use crate::receipts::receipt::{Admission, Downgrade};
use crate::text::quote;
use crate::view::View;

/// A decision that is paid for.
pub(super) struct Admitted {
    pub(super) decision: Decision,
}

/// Reserves the charges. The hold goes to the settlement, which ends it on every path.
///
/// # Errors
///
/// A charge does not fit and the plugin's remedy is to refuse, or a charge can't be understood.
pub(super) async fn admit(
    mut decision: Decision,
    ledger: &Arc<Ledger>,
    settlement: &mut Settlement,
) -> Result<Admitted, Refused> {
    let mut downgraded = false;
    let mut charges = read(&decision.charges)?;
    let owner = decision.view.caller.owner();
    loop {
        if charges.is_empty() {
            settlement.receipt.admission = Admission::Given;
            return Ok(Admitted { decision });
        }
        let refused = match ledger.reserve(charges, &owner, now()) {
            Ok(hold) => {
                settlement.hold(hold);
                return Ok(Admitted { decision });
            }
            Err(refused) => refused,
        };
        let Some(short) = decision.charges.get(refused.index) else {
            return Err(Refused::gateway(
                503,
                "the ledger refused a charge that nobody named",
            ));
        };
        match &refused.reason {
            Reason::Spent { .. } => {}
            Reason::NoRoom(no_room) => return Err(accounts::no_room(no_room, &owner, now())),
            Reason::AccountTooLong { bytes } => {
                return Err(accounts::too_long(short, &decision.envelope, *bytes));
            }
        }
        let hooks = decision.lineup.begin(Arc::<View>::clone(&decision.view));
        let remedy = hooks
            .exhausted(short, refused.remaining())
            .map_err(|fault| Refused::fault(&fault))?;
        let resets_in = refused
            .resets_at()
            .map(|at| Duration::from_millis(at.0.saturating_sub(now().0)));
        match remedy {
            Remedy::Overdraw => {
                charges = refused.charges;
                if let Some(charge) = charges.get_mut(refused.index) {
                    charge.shortfall = OnShortfall::Overdraw;
                }
            }
            Remedy::Downgrade(model) if !downgraded => {
                if !decision.may_downgrade(&model) {
                    let spent = spent(short, refused.remaining(), resets_in);
                    return Err(Refused {
                        message: format!(
                            "{}, and this key may not ask for the model `{}` in its place",
                            spent.message,
                            quote(&model)
                        ),
                        ..spent
                    });
                }
                downgraded = true;
                settlement.receipt.downgrade = Some(Downgrade {
                    from: decision.model(),
                    to: model.clone(),
                    account: short.charge.account.clone(),
                    plugin: Arc::clone(short.plugin.name()),
                });
                decision.downgrade(&model, settlement).await?;
                charges = read(&decision.charges)?;
            }
            Remedy::Downgrade(_) => return Err(spent(short, refused.remaining(), resets_in)),
            Remedy::Refuse(refusal) => {
                let mut answer =
                    Refused::policy(short.plugin.name().to_string(), Hook::Budget, refusal);
                answer.retry_after = answer.retry_after.or(resets_in);
                return Err(answer);
            }
        }
    }
}

/// The ledger's charges from the plugins' open codes.
fn read(charges: &[PluginCharge]) -> Result<Vec<Charge>, Refused> {
    charges
        .iter()
        .map(|named| {
            let charge = &named.charge;
            let unreadable = |error: witgate_ledger::UnknownCode| {
                tracing::error!(plugin = &**named.plugin.name(), %error, "a charge can't be understood");
                Refused::gateway(503, format!("the plugin `{}` named a charge with an {error}", named.plugin.name()))
            };
            Ok(Charge {
                account: charge.account.as_str().into(),
                window: Window::parse(&charge.window).map_err(unreadable)?,
                unit: Unit::parse(&charge.unit).map_err(unreadable)?,
                limit: charge.limit,
                amount: charge.amount,
                shortfall: OnShortfall::Refuse,
            })
        })
        .collect()
}

fn spent(charge: &PluginCharge, remaining: u64, resets_in: Option<Duration>) -> Refused {
    let plugin = charge.plugin.name().to_string();
    let charge = &charge.charge;
    let message = format!(
        "this request reserves up to {} {unit}, and {remaining} of the limit of {} {unit} for this {} on `{}` are left",
        charge.amount,
        charge.limit,
        charge.window,
        quote(&charge.account),
        unit = charge.unit,
    );
    let refusal = witgate_runtime::Refusal {
        status: 429,
        code: "rate_limit_error".into(),
        message,
        retry_after_ms: resets_in.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
        attributes: Vec::new(),
    };
    Refused::policy(plugin, Hook::Budget, refusal)
}
