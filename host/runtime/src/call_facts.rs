//! The facts that one call lends to a guest.

use std::sync::Arc;

use crate::breaker::Tenant;
use crate::contract::{Envelope, Plan, Receipt, Upstreams};
use crate::request::Request;

/// The facts that a guest may ask for during one call. A fact that the hook does not have is `None`.
#[derive(Clone, Default)]
pub(crate) struct CallFacts {
    pub(crate) request: Option<Arc<dyn Request>>,
    pub(crate) context: Option<Arc<Envelope>>,
    pub(crate) upstreams: Option<Arc<dyn Upstreams>>,
    pub(crate) plan: Option<Arc<Plan>>,
    pub(crate) receipts: Option<Arc<Vec<Receipt>>>,
    pub(crate) text: Option<TextFacts>,
    pub(crate) notes: Option<Notes>,
}

/// The notes by which calls of the hook `translate` for one exchange tell each other something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(pub(crate) Vec<(Box<str>, String)>);

/// The facts of the text that a guard is called for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TextFacts {
    /// The character before the piece.
    pub(crate) before: Option<char>,
}

// === impl CallFacts ===

impl CallFacts {
    /// Returns the facts of an audit call.
    pub(crate) fn of_receipts(receipts: &Arc<Vec<Receipt>>) -> Self {
        Self {
            receipts: Some(Arc::clone(receipts)),
            ..Self::default()
        }
    }

    /// Returns the facts of the first hook.
    pub(crate) fn of_request(request: Arc<dyn Request>) -> Self {
        Self {
            request: Some(request),
            ..Self::default()
        }
    }

    /// Returns the tenant that a fault of the call is counted for.
    pub(crate) fn tenant(&self) -> Tenant {
        match self.request.as_ref().map(|request| request.tenant()) {
            Some(Some(tenant)) => Tenant::Known(tenant),
            Some(None) => Tenant::Unknown,
            None => Tenant::Host,
        }
    }
}
