//! A message batch on a receipt.

use std::sync::Arc;

use witgate_messages::batch::Totals;

/// The part of a receipt about a batch: its creation, a request about it, or its settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchNote {
    pub(crate) id: Arc<str>,
    /// Number of requests in the batch, if known.
    pub(crate) requests: Option<u64>,
    /// Code of how the batch ended, once it is settled.
    pub(crate) ended: Option<&'static str>,
    totals: Option<Box<Totals>>,
}

// === impl BatchNote ===

impl BatchNote {
    /// Notes a request about a batch.
    pub(crate) fn about(id: &str) -> Self {
        Self {
            id: id.into(),
            requests: None,
            ended: None,
            totals: None,
        }
    }

    /// Notes the creation of a batch.
    pub(crate) fn made(id: &str, requests: u64) -> Self {
        Self {
            requests: Some(requests),
            ..Self::about(id)
        }
    }

    /// Notes the settlement of a batch: how it ended, and what its results came to.
    pub(crate) fn settled(
        id: &Arc<str>,
        requests: u64,
        ended: &'static str,
        totals: Option<Box<Totals>>,
    ) -> Self {
        Self {
            id: Arc::clone(id),
            requests: Some(requests),
            ended: Some(ended),
            totals,
        }
    }

    /// Notes a settlement whose results are not known any more.
    pub(crate) fn settled_before(id: &Arc<str>) -> Self {
        Self {
            id: Arc::clone(id),
            requests: None,
            ended: Some("results"),
            totals: None,
        }
    }

    /// Returns the approximate memory the note takes, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let models = self.models().map(|(model, _, _)| 64 + model.len());
        size_of::<Self>() + self.id.len() + models.sum::<usize>()
    }

    /// Returns the number of requests with each result, by the name of its field.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.totals.iter().flat_map(|totals| {
            [
                ("succeeded", totals.succeeded),
                ("errored", totals.errored),
                ("canceled", totals.canceled),
                ("expired", totals.expired),
                ("unread", totals.unread),
            ]
        })
    }

    /// Returns the name, message count and cost in pico-USD of each model.
    pub(crate) fn models(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.totals
            .iter()
            .flat_map(|totals| &totals.models)
            .map(|(model, of)| (&**model, of.messages, of.picousd))
    }
}
