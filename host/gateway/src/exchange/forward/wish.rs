//! What a request needs of an upstream with several credentials.
//!
//! Most requests may be sent with any of them, and those of one session and agent stay with one. What the upstream keeps belongs to
//! the credential that it was made with, so requests that make or name such a thing are all sent with the first.

use memchr::memmem;
use witgate_messages::endpoint::Endpoint;
use witgate_runtime::Envelope;
use witgate_upstream::{Affinity, Among, Wish};

use crate::exchange::authorize::Named;
use crate::exchange::decide::Decision;
use crate::exchange::decide::targets::Target;
use crate::exchange::view::View;

/// The beginning of the names of tools that run in a container.
const MAKES_CONTAINER: &[u8] = b"\"code_execution";

/// Says what a request needs of those upstreams that have several credentials. Its body may be gone when it is sent.
pub(crate) fn prepare(decision: &mut Decision, named: Named) {
    let (view, envelope) = (&decision.view, &decision.envelope);
    let pools = decision.targets.iter_mut();
    for target in pools.filter(|target| target.upstream.has_pool()) {
        target.wish = Some(Box::new(wish(view, envelope, target, named)));
    }
}

fn wish(view: &View, envelope: &Envelope, target: &Target, named: Named) -> Wish {
    let head = target.head.as_deref().or(view.head.as_ref());
    let model = match view.endpoint {
        // Counting has a limit of its own.
        Endpoint::CountTokens => Some("count_tokens".to_owned()),
        _ => {
            let of_body = || head?.model().map(Into::into);
            target.model.clone().or_else(of_body)
        }
    };
    let among = match view.endpoint {
        Endpoint::Messages | Endpoint::CountTokens => match named {
            Named::Resources => Among::First,
            Named::Nothing if head.is_some_and(|head| makes_container(head.body())) => Among::First,
            Named::Nothing => Among::All,
        },
        Endpoint::Models | Endpoint::Model => Among::All,
        _ => Among::First,
    };
    Wish {
        among,
        model: model.unwrap_or_default().into(),
        affinity: affinity(view, envelope),
    }
}

/// Returns the origin of a request, or `None` if it belongs to no session.
pub(crate) fn affinity(view: &View, envelope: &Envelope) -> Option<Affinity> {
    let session = envelope.session.as_deref()?;
    let affinity = Affinity::new(&view.caller.owner(), session, envelope.agent.as_deref());
    Some(affinity)
}

/// Returns whether a request may make a container. A text that speaks of one may count, which costs the choice.
fn makes_container(body: &[u8]) -> bool {
    memmem::find(body, MAKES_CONTAINER).is_some()
}
