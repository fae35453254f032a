//! The providers that signed the thinking of sessions.
//!
//! Signed thinking returns in the next requests of its session and can be read by its provider only. A signature doesn't say whose
//! it is, so the provider of the last answer to each session and agent is remembered, of answers that may be signed. That is the one
//! that signed: a request that is bound to a provider is answered by no other, unless the operator allows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use witgate_upstream::{Affinity, Sessions};

/// The time after its last request for which a session's provider is remembered. People go on with a session days later.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A memory of the providers of sessions. It lasts as long as the process and has a share for each tenant.
#[derive(Debug)]
pub(crate) struct Signers {
    sessions: Mutex<Sessions<Arc<str>>>,
}

// === impl Signers ===

impl Signers {
    pub(crate) fn new() -> Self {
        Self {
            sessions: Mutex::new(Sessions::new(LIFE)),
        }
    }

    /// Returns the provider that last answered a session and agent, or `None` if it is not known.
    pub(crate) fn of(&self, origin: Affinity) -> Option<Arc<str>> {
        self.sessions.lock().find(origin, Instant::now()).cloned()
    }

    /// Notes the provider that answers a session and agent.
    pub(crate) fn note(&self, origin: Affinity, provider: &str) {
        let now = Instant::now();
        let mut sessions = self.sessions.lock();
        if sessions
            .find(origin, now)
            .is_none_or(|known| **known != *provider)
        {
            sessions.put(origin, provider.into(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_provider_of_each_session_and_agent_is_remembered() {
        let origin = |tenant, agent| Affinity::new(tenant, "session", agent);
        let signers = Signers::new();
        let (main, agent) = (origin("alice", None), origin("alice", Some("agent")));
        assert_eq!(signers.of(main), None, "nothing is known");
        for provider in ["anthropic", "vertex", "vertex"] {
            signers.note(main, provider);
            assert_eq!(signers.of(main).as_deref(), Some(provider), "the last");
        }
        signers.note(agent, "bedrock");
        assert_eq!(signers.of(agent).as_deref(), Some("bedrock"), "an agent");
        assert_eq!(signers.of(main).as_deref(), Some("vertex"), "another");
        assert_eq!(signers.of(origin("bob", None)), None, "another tenant's");
    }
}
