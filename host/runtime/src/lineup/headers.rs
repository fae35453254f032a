//! Headers of the answer that a plugin asks for and can't have.
//!
//! They are dropped and logged rather than being a fault: their values often come from the request, and a caller must not
//! be able to bench a plugin.

use crate::contract::Envelope;
use crate::grants::HeaderGrant;
use crate::plugin::Plugin;
use std::sync::Arc;

// === impl Plugin ===

impl Plugin {
    /// Removes the answer headers that can't be sent, with a line in the plugin's log for each.
    pub(super) fn drop_headers(&self, envelope: &mut Envelope) {
        envelope
            .response_headers
            .retain(|(name, value)| match self.objection(name, value) {
                None => true,
                Some(why) => {
                    self.warn(&format!("the answer header {name:?} is dropped: {why}"));
                    false
                }
            });
    }

    fn objection(&self, name: &str, value: &str) -> Option<&'static str> {
        if HeaderGrant::parse(name).map_or(true, |header| !header.is_of(name)) {
            return Some("this is not a header name");
        }
        if value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t')
        {
            return Some("its value has a control character, such as a line end");
        }
        let terms = self.terms();
        if terms.host_headers.iter().any(|header| header.has(name)) {
            return Some("only the host sets it");
        }
        let may = |named: &Arc<[HeaderGrant]>| named.iter().any(|header| header.has(name));
        let may = terms.answer_headers.as_ref().is_none_or(may);
        (!may).then_some("it is none of those that a plugin may set")
    }
}
