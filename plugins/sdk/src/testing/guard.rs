//! The way of a text through a guard, as the host takes it.

use crate::types::{ContentKind, Piece, Replacement, Stop, Verdict};
use crate::{Guard, Request};

/// Passes a text through a guard in these pieces, as the host does: what the guard holds back comes again with the next piece. The
/// last piece ends the text. Returns the text that leaves.
///
/// # Errors
///
/// Returns the stop of the guard.
///
/// # Panics
///
/// Panics if the guard holds back a part of the last piece, which is a fault.
#[allow(
    clippy::needless_pass_by_value,
    reason = "a test names the kind and is done with it"
)]
pub fn inspect<P: Guard>(
    guard: &P,
    request: &Request<'_>,
    kind: ContentKind,
    pieces: &[&str],
) -> Result<String, Stop> {
    let mut passed = String::new();
    let mut held = String::new();
    for (place, new) in pieces.iter().enumerate() {
        let piece = Piece {
            kind: kind.clone(),
            index: 0,
            text: held + new,
            last: place + 1 == pieces.len(),
        };
        let verdict = guard.inspect(request, &piece);
        let Piece { text, last, .. } = piece;
        let hold = match &verdict {
            Verdict::Hold(hold) | Verdict::Replace(Replacement { hold, .. }) => *hold,
            Verdict::Pass | Verdict::Stop(_) => 0,
        };
        let mut end = text.len().saturating_sub(hold as usize);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        assert!(
            !last || end == text.len(),
            "the guard holds back {hold} bytes of the last piece"
        );
        let (passing, rest) = text.split_at(end);
        match verdict {
            Verdict::Pass | Verdict::Hold(_) => passed.push_str(passing),
            Verdict::Replace(replacement) => passed.push_str(&replacement.text),
            Verdict::Stop(stop) => return Err(stop),
        }
        held = rest.to_owned();
    }
    Ok(passed)
}
