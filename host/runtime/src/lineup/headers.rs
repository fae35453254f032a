//! The response headers that a plugin may not set.
//!
//! They are dropped and logged, and are not a fault: their values often come from the request, and a caller must not be able
//! to suspend a plugin.

use std::sync::Arc;

use crate::contract::Envelope;
use crate::grants::HeaderGrant;
use crate::plugin::Plugin;

/// Returns whether a value has no control character.
fn is_clean(value: &str) -> bool {
    let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    !value.bytes().any(is_control)
}

// === impl Plugin ===

impl Plugin {
    /// Removes the response headers that can't be sent, with a line in the plugin's log for each.
    pub(super) fn drop_headers(&self, envelope: &mut Envelope) {
        envelope
            .response_headers
            .retain(|(name, value)| match self.objection(name, value) {
                None => true,
                Some(why) => {
                    self.warn(&format!("dropped the response header {name:?}: {why}"));
                    false
                }
            });
    }

    /// Returns the header in which the plugin wants the correlation id of a request to be returned, or `None` if it wants none.
    pub(super) fn correlation_header(&self, id: &str) -> Option<&str> {
        let name = self.interests().correlation_header()?;
        is_clean(id).then_some(name)
    }

    /// Returns whether the plugin may set a response header of this name, with a value that can be sent.
    pub(crate) fn may_set(&self, name: &str) -> bool {
        self.objection(name, "").is_none()
    }

    fn objection(&self, name: &str, value: &str) -> Option<&'static str> {
        if HeaderGrant::parse(name).map_or(true, |header| !header.is_of(name)) {
            return Some("not a valid header name");
        }
        if !is_clean(value) {
            return Some("the value has a control character, such as a line break");
        }
        let spec = self.spec();
        if spec.host_headers.iter().any(|header| header.has(name)) {
            return Some("only the host may set it");
        }
        let may = |named: &Arc<[HeaderGrant]>| named.iter().any(|header| header.has(name));
        let may = spec.response_headers.as_ref().is_none_or(may);
        (!may).then_some("plugins may not set it")
    }
}
