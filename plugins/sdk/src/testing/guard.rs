//! The way of a text through a guard, as the host takes it.

use std::cell::Cell;

use crate::types::{ContentKind, Piece, Replacement, Stop, Verdict};
use crate::{Guard, Request};

/// The bytes that a sidecar lets a guard hold back by default.
const HELD_BYTES: u32 = 4 << 10;

thread_local! {
    static BEFORE: Cell<Option<char>> = const { Cell::new(None) };
    static HELD: Cell<u32> = const { Cell::new(HELD_BYTES) };
}

/// Sets the bytes that guards of this thread may hold back, as `held_bytes` of a sidecar does.
pub fn set_held_bytes(bytes: u32) {
    HELD.set(bytes);
}

pub(crate) fn held_bytes() -> u32 {
    HELD.get()
}

pub(crate) fn before() -> Option<char> {
    BEFORE.get()
}

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
    BEFORE.set(None);
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
        BEFORE.set(passing.chars().next_back().or(BEFORE.get()));
        match verdict {
            Verdict::Pass | Verdict::Hold(_) => passed.push_str(passing),
            Verdict::Replace(replacement) => passed.push_str(&replacement.text),
            Verdict::Stop(stop) => return Err(stop),
        }
        held = rest.to_owned();
    }
    Ok(passed)
}
