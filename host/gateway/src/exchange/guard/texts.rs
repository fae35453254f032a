//! The guards as readers of texts.

use witgate_messages::content::{self, Cut, Inspect, Kind, Text};
use witgate_runtime::{ContentKind, Guards, PassedText, Stopped};

use super::ended::Unfit;

/// The guards of an exchange, as readers of a stream's texts.
pub(super) struct Texts<'a>(pub(super) &'a mut Guards);

/// Whole texts of one document, with what guards changed.
#[derive(Default)]
pub(super) struct Document {
    /// The number of the next text.
    next: u32,
    pub(super) cuts: Vec<Cut>,
}

// === impl Texts ===

impl Inspect for Texts<'_> {
    type Stop = Box<Stopped>;

    fn wants(&self, kind: Kind) -> bool {
        self.0.wants(of(kind))
    }

    fn inspect(
        &mut self,
        kind: Kind,
        index: u32,
        text: &str,
        last: bool,
    ) -> Result<content::Passage, Self::Stop> {
        let passage = self.0.inspect(of(kind), index, text, last)?;
        Ok(content::Passage {
            changed: match passage.text {
                PassedText::Unchanged => None,
                PassedText::Changed(text) => Some(text),
            },
            held: passage.held,
        })
    }
}

// === impl Document ===

impl Document {
    /// Lets the guards read a text.
    ///
    /// # Errors
    ///
    /// A guard ends the exchange.
    pub(super) fn read(&mut self, guards: &mut Guards, text: &Text<'_>) -> Result<(), Unfit> {
        let kind = of(text.kind);
        if !guards.wants(kind) {
            return Ok(());
        }
        let index = self.next;
        self.next = self.next.saturating_add(1);
        let passage = guards.inspect(kind, index, &text.decoded(), true);
        let PassedText::Changed(new) = passage.map_err(Box::new)?.text else {
            return Ok(());
        };
        self.cuts.extend(text.cuts(&new));
        Ok(())
    }

    /// Asks the guards about the end of an answer.
    ///
    /// # Errors
    ///
    /// A guard ends the exchange.
    pub(super) fn end(&self, guards: &mut Guards) -> Result<(), Unfit> {
        if guards.wants(ContentKind::End) {
            let end = guards.inspect(ContentKind::End, self.next, "", true);
            end.map_err(Box::new)?;
        }
        Ok(())
    }
}

/// Returns the kind by its name in the contract.
fn of(kind: Kind) -> ContentKind {
    match kind {
        Kind::System => ContentKind::System,
        Kind::User => ContentKind::User,
        Kind::Assistant => ContentKind::Assistant,
        Kind::ToolResult => ContentKind::ToolResult,
        Kind::Text => ContentKind::Text,
        Kind::Thinking => ContentKind::Thinking,
        Kind::ToolInput => ContentKind::ToolInput,
        Kind::ServerToolResult => ContentKind::ServerToolResult,
        Kind::End => ContentKind::End,
    }
}
