//! What a receipt says of a batch.

use std::sync::Arc;

use witgate_messages::batch::Totals;

use super::{Ending, Record};

/// A batch on a receipt: of its creation, of a request about it, or of its settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchNote {
    pub(crate) id: Arc<str>,
    /// Number of its requests, where it is known.
    pub(crate) requests: Option<u64>,
    /// How it ended, once it is settled.
    pub(crate) ended: Option<&'static str>,
    totals: Option<Box<Totals>>,
}

// === impl BatchNote ===

impl BatchNote {
    /// A request about a batch.
    pub(crate) fn about(id: &str) -> Self {
        Self {
            id: id.into(),
            requests: None,
            ended: None,
            totals: None,
        }
    }

    /// The creation of a batch.
    pub(crate) fn made(id: &str, requests: u64) -> Self {
        Self {
            requests: Some(requests),
            ..Self::about(id)
        }
    }

    /// The settlement of a batch.
    pub(super) fn settled(record: &Record, ending: &Ending) -> Self {
        let totals = match ending {
            Ending::Results(totals) => Some(totals.clone()),
            Ending::Gone | Ending::Expired => None,
        };
        Self {
            id: Arc::clone(&record.id),
            requests: Some(record.facts.requests),
            ended: Some(ending.code()),
            totals,
        }
    }

    /// Returns about how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        let models = self.models().map(|(model, _, _)| 64 + model.len());
        size_of::<Self>() + self.id.len() + models.sum::<usize>()
    }

    /// How many of its requests have which result.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.totals.iter().flat_map(|totals| {
            [
                ("batch.succeeded", totals.succeeded),
                ("batch.errored", totals.errored),
                ("batch.canceled", totals.canceled),
                ("batch.expired", totals.expired),
                ("batch.unread", totals.unread),
            ]
        })
    }

    /// What each model made of it: its name, messages and pico-USD.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.totals
            .iter()
            .flat_map(|totals| &totals.models)
            .map(|(model, of)| (&**model, of.messages, of.picousd))
    }
}
