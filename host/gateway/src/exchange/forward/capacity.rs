//! The capacity of a target: a lease before it is asked, and the refusal if it has no room.

use std::sync::Arc;
use std::time::Duration;

use witgate_capacity::{Amounts, Capacity, Lease, Refused as NoRoom};
use witgate_messages::endpoint::Endpoint;
use witgate_upstream::Departure;
use witgate_upstream::config::{CapacityConfig, Others};

use crate::answer::refused::{Blame, Refused, Retry};
use crate::clock::now;
use crate::config::OTHERS;
use crate::exchange::decide::Decision;
use crate::exchange::decide::targets::Target;
use crate::exchange::settle::Settlement;
use crate::tenants::keys::Caller;

/// A target that was passed over because its capacity is used, or kept for others.
#[derive(Debug)]
pub(crate) struct OutOfCapacity {
    /// The name of the upstream.
    upstream: String,
    no_room: NoRoom,
    others: Others,
}

/// One request without tokens: what is known of one that was not answered.
const ONE: Amounts = Amounts {
    requests: 1,
    input: 0,
    output: 0,
};

/// Leases a part of a target's capacity for the request. Returns `None` if the target has no limit, or the request is none that
/// counts: upstreams limit those apart.
///
/// # Errors
///
/// The capacity is used, or kept for others, and the target is passed over.
#[inline]
pub(crate) fn lease(
    decision: &Decision,
    target: &Target,
    settlement: &mut Settlement,
) -> Result<Option<Box<Lease>>, Box<OutOfCapacity>> {
    match &target.upstream.config.capacity {
        None => Ok(None),
        Some(_) if decision.view.endpoint != Endpoint::Messages => Ok(None),
        Some(config) => lease_of(config, decision, target, settlement),
    }
}

fn lease_of(
    config: &CapacityConfig,
    decision: &Decision,
    target: &Target,
    settlement: &mut Settlement,
) -> Result<Option<Box<Lease>>, Box<OutOfCapacity>> {
    let upstream = &target.upstream.config.name;
    let Some(capacity) = decision.snapshot.capacities.of(upstream) else {
        return Ok(None);
    };
    match admit(capacity, decision, settlement) {
        Ok(lease) => Ok(Some(Box::new(lease))),
        Err(no_room) => {
            let out = OutOfCapacity {
                upstream: upstream.clone(),
                no_room,
                others: config.others,
            };
            tracing::debug!(request = settlement.id(), upstream, error = %out.no_room, "a target was passed over");
            settlement.pass_over_without_room(upstream, &out.no_room);
            Err(Box::new(out))
        }
    }
}

/// Admits the request with what it is expected to use.
fn admit(
    capacity: &Arc<Capacity>,
    decision: &Decision,
    settlement: &mut Settlement,
) -> Result<Lease, NoRoom> {
    let expected = settlement.estimate();
    let amounts = Amounts {
        input: expected.prompt_tokens,
        output: expected.output_tokens,
        ..ONE
    };
    let planned = decision.plan.resource.as_deref();
    let named = settlement.route().resource.as_deref();
    let resource = resource(planned, named, &decision.view.caller);
    capacity.admit(capacity.resource(resource), amounts, now().0)
}

/// Returns the resource that a request counts for. One that the plan doesn't name is the caller's word, and counts only if its
/// key may use it.
fn resource<'a>(planned: Option<&'a str>, named: Option<&'a str>, caller: &Caller) -> &'a str {
    let named = named.filter(|name| caller.may_use(name));
    planned.or(named).unwrap_or(OTHERS)
}

/// Settles the lease of an attempt that got no answer. One whose request had not left gives everything back.
pub(crate) fn failed(lease: Option<Box<Lease>>, departure: &Departure) {
    if let Some(lease) = lease {
        let used = if departure.is_complete() {
            ONE
        } else {
            Amounts::default()
        };
        lease.settle(used, now().0);
    }
}

/// Ends the lease of an attempt that was given up. What it used is not known once its request has left.
pub(crate) fn given_up(lease: Option<Box<Lease>>, departure: &Departure) {
    if !departure.is_complete() {
        failed(lease, departure);
    }
}

/// Keeps the lease of an answer for the end of the exchange, or settles it if the answer is an error.
pub(crate) fn answered(
    lease: Option<Box<Lease>>,
    result: &Result<u16, String>,
    settlement: &mut Settlement,
) {
    let Some(lease) = lease else {
        return;
    };
    match result {
        Ok(status) if *status < 400 => settlement.keep_lease(lease),
        Ok(_) | Err(_) => lease.settle(ONE, now().0),
    }
}

// === impl OutOfCapacity ===

impl OutOfCapacity {
    /// Returns the time after which the target has room if nothing else comes, or `None` if it never will.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.no_room.retry_after
    }
}

/// Returns the refusal of a request for which no target has room.
pub(crate) fn refuse(out: &OutOfCapacity) -> Refused {
    const SECOND: Duration = Duration::from_secs(1);
    // A minute's window, and the sixtieth that a use may count longer.
    const MINUTE: Duration = Duration::from_secs(61);
    let OutOfCapacity {
        upstream, no_room, ..
    } = out;
    let wait = no_room.retry_after.map(|wait| wait.max(SECOND));
    let reason = match out.others {
        Others::Named => no_room.to_string(),
        Others::Unnamed => no_room.without_others().to_string(),
    };
    let message = match wait {
        Some(_) => format!("the upstream {upstream} is not taking requests now: {reason}"),
        None => format!(
            "the upstream {upstream} does not take this request: {reason}; make it shorter, or ask the gateway's operator for a larger limit"
        ),
    };
    Refused {
        retry_after: wait,
        retry: match wait {
            Some(wait) if wait <= MINUTE => Retry::Worthwhile,
            Some(_) | None => Retry::Useless,
        },
        blame: Blame::Capacity,
        ..Refused::client(429, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_that_a_key_may_not_use_counts_with_all_others_unless_the_plan_names_it() {
        let anything = Caller::default();
        let limited = Caller {
            models: Some(vec!["batch*".to_owned()]),
            ..Caller::default()
        };
        for (planned, named, caller, counts_for) in [
            (None, Some("chat"), &anything, "chat"),
            (None, Some("chat"), &limited, "*"),
            (None, Some("batches"), &limited, "batches"),
            (Some("chat"), Some("chat"), &limited, "chat"),
            (None, None, &anything, "*"),
        ] {
            assert_eq!(resource(planned, named, caller), counts_for, "{named:?}");
        }
    }
}
