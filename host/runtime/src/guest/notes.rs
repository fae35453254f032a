//! The guest's notes about one exchange.

#![allow(
    clippy::needless_pass_by_value,
    reason = "the linker lifts arguments for the callee to have"
)]

use wasmtime::Result;

use super::{Breach, Guest};
use crate::call_facts::Notes;

/// The bytes of all notes of an exchange.
const MAX_BYTES: usize = 4 << 20;

/// The bytes that a note takes besides its texts.
const NOTE_BYTES: usize = 64;

// === impl Guest ===

impl Guest {
    pub(crate) fn note(&mut self, name: String) -> Result<Option<String>> {
        self.tally.enter_hook(name.len(), "notes")?;
        let notes = self.facts.notes.as_ref();
        let Some(notes) = notes else {
            return Err(self.tally.breached(Breach::NotInHook("notes")));
        };
        self.tally.optional_text(notes.get(&name))
    }

    pub(crate) fn set_note(&mut self, name: String, text: String) -> Result<()> {
        self.change_note(&name, &text, |note| note.clear())
    }

    pub(crate) fn append_note(&mut self, name: String, text: String) -> Result<()> {
        self.change_note(&name, &text, |_| {})
    }

    /// Adds to a note what is left of it after `before`.
    fn change_note(
        &mut self,
        name: &str,
        text: &str,
        before: impl FnOnce(&mut String),
    ) -> Result<()> {
        self.tally.enter_hook(name.len() + text.len(), "notes")?;
        let Some(notes) = &mut self.facts.notes else {
            return Err(self.tally.breached(Breach::NotInHook("notes")));
        };
        let note = notes.entry(name);
        before(note);
        note.push_str(text);
        if notes.bytes() > MAX_BYTES {
            return Err(self.tally.breached(Breach::Notes(MAX_BYTES)));
        }
        Ok(())
    }
}

// === impl Notes ===

impl Notes {
    fn get(&self, name: &str) -> Option<&str> {
        let mut notes = self.0.iter();
        notes.find_map(|(known, note)| (**known == *name).then_some(note.as_str()))
    }

    fn entry(&mut self, name: &str) -> &mut String {
        let known = self.0.iter().position(|(known, _)| **known == *name);
        let note = known.map(|place| self.0.swap_remove(place));
        let note = note.unwrap_or_else(|| (name.into(), String::new()));
        self.0.push(note);
        match self.0.last_mut() {
            Some((_, note)) => note,
            None => unreachable!("it was pushed"),
        }
    }

    fn bytes(&self) -> usize {
        let notes = self.0.iter();
        notes
            .map(|(name, note)| name.len() + note.len() + NOTE_BYTES)
            .sum()
    }
}
