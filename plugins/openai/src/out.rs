//! JSON that is written from front to back.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use witgate_plugin::json::Json;

/// A JSON text in the making. Commas are its own business.
#[derive(Debug, Default)]
pub(crate) struct Out {
    text: String,
    follows: bool,
}

// === impl Out ===

impl Out {
    /// Starts a text of about this length.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            follows: false,
        }
    }

    /// Writes an object.
    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(['{', '}'], members)
    }

    /// Writes an array.
    pub(crate) fn array(&mut self, elements: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(['[', ']'], elements)
    }

    fn nested(&mut self, [open, close]: [char; 2], inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(open);
        inner(self);
        self.close(close);
        self
    }

    // These are not copied into their callers, which would be a tenth of the plugin.
    #[inline(never)]
    fn open(&mut self, bracket: char) {
        self.comma();
        self.text.push(bracket);
        self.follows = false;
    }

    #[inline(never)]
    fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.follows = true;
    }

    /// Writes the name of a member, whose value follows. Names need no escapes.
    #[inline(never)]
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        self.comma();
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
        self.follows = false;
        self
    }

    /// Writes a string.
    #[inline(never)]
    pub(crate) fn string(&mut self, text: &str) -> &mut Self {
        self.json(Json::Text(Cow::Borrowed(text)))
    }

    /// Writes what is JSON already.
    pub(crate) fn json(&mut self, json: impl Display) -> &mut Self {
        self.display(&json)
    }

    #[inline(never)]
    fn display(&mut self, json: &dyn Display) -> &mut Self {
        self.comma();
        // Writing to a string never fails.
        let _ = write!(self.text, "{json}");
        self.follows = true;
        self
    }

    /// Writes a member with a string.
    pub(crate) fn text_member(&mut self, name: &str, text: &str) -> &mut Self {
        self.name(name).string(text)
    }

    /// Writes a member with what is JSON already.
    pub(crate) fn member(&mut self, name: &str, json: impl Display) -> &mut Self {
        self.name(name).json(json)
    }

    fn comma(&mut self) {
        if self.follows {
            self.text.push(',');
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}
