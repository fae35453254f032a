//! Guards for tests, with the promises of the plugin host about pieces.

use std::collections::HashMap;

use witgate_messages::content::{Inspect, Kind, Passage};

/// A guard that looks for one word.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    pub(crate) word: String,
    pub(crate) does: Does,
    pub(crate) kinds: Option<Vec<Kind>>,
    /// Pieces that it was asked about.
    pub(crate) asked: Vec<(Kind, u32, String, bool)>,
    texts: HashMap<u32, Text>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) enum Does {
    #[default]
    Pass,
    Replace(String),
    Stop,
    /// Holds back everything to the end, and then passes it.
    HoldAll,
}

/// The end that the guard wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

#[derive(Debug, Default)]
struct Text {
    held: String,
    changed: bool,
}

impl Rule {
    pub(crate) fn new(word: &str, does: Does) -> Self {
        Self {
            word: word.to_owned(),
            does,
            ..Self::default()
        }
    }

    /// Returns the byte from which on the word might still be going on.
    fn open_end(&self, text: &str) -> usize {
        let after = text
            .rmatch_indices(&self.word)
            .next()
            .map_or(0, |(at, found)| at + found.len());
        text.char_indices()
            .map(|(at, _)| at)
            .filter(|at| *at >= after)
            .find(|at| self.word.starts_with(&text[*at..]))
            .unwrap_or(text.len())
    }
}

impl Inspect for Rule {
    type Stop = Stopped;

    fn wants(&self, kind: Kind) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind))
    }

    fn inspect(
        &mut self,
        kind: Kind,
        index: u32,
        text: &str,
        last: bool,
    ) -> Result<Passage, Stopped> {
        self.asked.push((kind, index, text.to_owned(), last));
        let known = self.texts.remove(&index).unwrap_or_default();
        let all = known.held + text;
        let end = match self.does {
            _ if last => all.len(),
            Does::HoldAll => 0,
            Does::Pass => all.len(),
            _ => self.open_end(&all),
        };
        let (done, held) = all.split_at(end);
        if self.does == Does::Stop && done.contains(&self.word) {
            return Err(Stopped);
        }
        let new = match &self.does {
            Does::Replace(new) => done.replace(&self.word, new),
            _ => done.to_owned(),
        };
        let changed = known.changed || new != done;
        let text = Text {
            held: held.to_owned(),
            changed: changed && !held.is_empty(),
        };
        self.texts.insert(index, text);
        Ok(Passage {
            changed: changed.then_some(new),
            held: held.len(),
        })
    }
}
