//! Edits of a batch's requests: members are spliced in place, and every other byte stays.

use bytes::{Bytes, BytesMut};

use super::Batch;
use crate::head::Head;
use crate::json::Malformed;
use crate::splice::{Cut, Edit, EditError, Spliced, cuts, resolve};

/// Size in bytes below which adjacent parts are copied together, so that a hundred thousand edits do not become twice as
/// many writes.
const MIN_PART_BYTES: usize = 64 * 1024;

/// The error of a batch that can't be rewritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// The body is not the scanned one.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// An edit does not fit a request. The author of the edit is at fault.
    #[error(transparent)]
    Edit(#[from] EditError),
}

// === impl Batch ===

impl Batch {
    /// Returns the body to send in parts: `body` with its own edits, and each request with the edits that `edits` has for its
    /// kind. The edits must have been checked, and `body` must be the scanned body.
    ///
    /// # Errors
    /// [`Malformed`] for another body, and [`EditError`] if an edit does not fit a request.
    pub fn rewritten<'a>(
        &self,
        body: &Head,
        edits: impl Fn(usize) -> &'a [Edit],
    ) -> Result<Vec<Bytes>, RewriteError> {
        let mut all: Vec<Cut> = cuts(body, body.edits()).into_vec();
        for (index, asked) in self.requests.iter().enumerate() {
            let edits = edits(asked.kind);
            if edits.is_empty() {
                continue;
            }
            let params = self.params(body, index)?;
            let edits = resolve(&params, edits)?;
            let inside = cuts(&params, &edits).into_iter();
            all.extend(inside.map(|cut| cut.within(asked.params.start)));
        }
        // The body's own edits come before or after the requests.
        all.sort_by_key(Cut::start);
        Ok(joined(Spliced::assemble(body.body(), all)))
    }
}

/// Joins small parts.
fn joined(spliced: Spliced) -> Vec<Bytes> {
    let mut parts = Vec::new();
    let mut small = BytesMut::new();
    for part in spliced.into_parts() {
        if part.len() < MIN_PART_BYTES {
            small.extend_from_slice(&part);
        }
        if !small.is_empty() && (part.len() >= MIN_PART_BYTES || small.len() >= MIN_PART_BYTES) {
            parts.push(small.split().freeze());
        }
        if part.len() >= MIN_PART_BYTES {
            parts.push(part);
        }
    }
    if !small.is_empty() {
        parts.push(small.freeze());
    }
    parts
}
