//! The guards as readers of texts.

use witgate_messages::content::{self, Cut, Inspect, Kind, Text};
use witgate_runtime::{ContentKind, Guards, PassedText, Stopped};

use super::ended::Unfit;
use crate::tenants::concurrency::{Charge, FREE};

/// The guards of an exchange, as readers of a stream's texts.
pub(super) struct Texts<'a>(pub(super) &'a mut Guards);

/// Whole texts of one document, with what guards changed.
pub(super) struct Document {
    /// The number of the next text.
    next: u32,
    cuts: Vec<Cut>,
    /// Bytes of the cuts.
    cut_bytes: usize,
    charge: Option<Charge>,
    /// Bytes that the charge covers beside texts.
    base: usize,
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
    /// Creates a document. The charge, if there is one, covers `base` bytes already.
    pub(super) fn new(charge: Option<Charge>, base: usize) -> Self {
        Self {
            next: 0,
            cuts: Vec::new(),
            cut_bytes: 0,
            charge,
            base,
        }
    }

    /// Numbers the next text.
    pub(super) fn numbered_from(self, next: u32) -> Self {
        Self { next, ..self }
    }

    /// Returns the number of the next text.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Lets the guards read a text.
    ///
    /// # Errors
    ///
    /// A guard ends the exchange, or there is no memory for the decoded text.
    pub(super) fn read(&mut self, guards: &mut Guards, text: &Text<'_>) -> Result<(), Unfit> {
        let kind = of(text.kind);
        if !guards.wants(kind) {
            return Ok(());
        }
        if text.raw.len() > FREE && memchr::memchr(b'\\', text.raw).is_some() {
            self.cover(text.raw.len())?;
        }
        let index = self.next;
        self.next = self.next.saturating_add(1);
        let passage = guards.inspect(kind, index, &text.decoded(), true);
        let PassedText::Changed(new) = passage.map_err(Box::new)?.text else {
            return Ok(());
        };
        self.cut_bytes += new.len();
        self.cover(0)?;
        self.cuts.extend(text.cuts(&new));
        Ok(())
    }

    /// Returns the JSON that was read with the changes of the guards, or `None` if there are none. Begins a new one.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    pub(super) fn rewritten(&mut self, json: &[u8]) -> Result<Option<Vec<u8>>, Unfit> {
        if self.cuts.is_empty() {
            return Ok(None);
        }
        self.cover(json.len() + self.cut_bytes)?;
        let new = content::rewrite(json, &mut self.cuts);
        self.cuts.clear();
        self.base += new.len();
        self.cut_bytes = 0;
        Ok(Some(new))
    }

    /// Forgets the changes of a document that was not rewritten, and the memory of those that were.
    pub(super) fn clear(&mut self) {
        self.cuts.clear();
        self.cut_bytes = 0;
        self.base = 0;
    }

    /// Returns the charge.
    pub(super) fn into_charge(self) -> Option<Charge> {
        self.charge
    }

    /// Charges what is kept and so many bytes more.
    fn cover(&mut self, more: usize) -> Result<(), Unfit> {
        let bytes = self.base + self.cut_bytes + more;
        match &mut self.charge {
            Some(charge) if bytes > FREE => charge.cover(bytes).map_err(Unfit::from),
            Some(_) | None => Ok(()),
        }
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
