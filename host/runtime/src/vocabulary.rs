//! What the embedder makes of the values that plugins return.
//!
//! The contract leaves units, windows and the texts of edits open, and this crate doesn't know what they mean. The
//! embedder does: what it can't use is a fault of the plugin that returned it, and never reaches a request.

use crate::contract::{Charge, Envelope, Plan};
use std::fmt;
use std::sync::Arc;

/// Says whether the embedder can use what plugins return. The default of each function is that it can.
///
/// It is asked after each call of a hook and in the rehearsal of a plugin. An error is the text of a fault of the kind
/// [`Contract`](crate::FaultKind::Contract): it names the wrong value and what would be right.
pub trait Vocabulary: Send + Sync {
    /// Checks an envelope.
    ///
    /// # Errors
    /// The text of the fault.
    fn envelope(&self, envelope: &Envelope) -> Result<(), String> {
        let _ = envelope;
        Ok(())
    }

    /// Checks a plan. Its upstreams are compared with those that the plugin was told of, without a word from here.
    ///
    /// # Errors
    /// The text of the fault.
    fn plan(&self, plan: &Plan) -> Result<(), String> {
        let _ = plan;
        Ok(())
    }

    /// Checks a charge.
    ///
    /// # Errors
    /// The text of the fault.
    fn charge(&self, charge: &Charge) -> Result<(), String> {
        let _ = charge;
        Ok(())
    }
}

/// An embedder's vocabulary, shared by all plugins. The default uses every value as it is.
#[derive(Clone)]
pub struct Words(Arc<dyn Vocabulary>);

/// The vocabulary of an embedder that uses every value as it is.
struct AnyWord;

// === impl AnyWord ===

impl Vocabulary for AnyWord {}

// === impl Words ===

impl Words {
    pub(crate) fn vocabulary(&self) -> &dyn Vocabulary {
        &*self.0
    }
}

impl Default for Words {
    fn default() -> Self {
        Self::from(AnyWord)
    }
}

impl<V: Vocabulary + 'static> From<V> for Words {
    fn from(vocabulary: V) -> Self {
        Self(Arc::new(vocabulary))
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words")
    }
}

impl PartialEq for Words {
    /// Two are equal where they are one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Words {}
