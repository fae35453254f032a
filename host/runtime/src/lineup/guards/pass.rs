//! The way of a text through one guard.

use std::borrow::Cow;

use crate::call_facts::{CallFacts, TextFacts};
use crate::contract::guard::{Piece, Replacement, Stop, Verdict};
use crate::fault::Fault;
use crate::hook::Hook;
use crate::lineup::bounds::Bounds;
use crate::plugin::Plugin;

/// The result of a text's way through a guard.
pub(super) struct Passed<'t> {
    /// The text that the next guard gets.
    pub(super) text: Cow<'t, str>,
    /// The end of the text, which the guard holds back.
    pub(super) held: String,
    /// The character before that.
    pub(super) before: Option<char>,
    /// The number of pieces that the guard decided about.
    pub(super) pieces: u64,
    /// The number of pieces that it changed.
    pub(super) changed: u64,
    /// The reason that the guard gave no verdict about the rest, which passes as it is.
    pub(super) halt: Option<Halt>,
}

pub(super) enum Halt {
    Stop(Stop),
    Fault(Fault),
}

/// Passes a text through a guard, in pieces of at most `piece_bytes`. `piece` has their kind and index.
pub(super) fn through<'t>(
    plugin: &Plugin,
    facts: &mut CallFacts,
    piece: &mut Piece,
    pending: Cow<'t, str>,
    last: bool,
) -> Passed<'t> {
    let limit = plugin.spec().limits.piece_bytes;
    let mut rewritten: Option<String> = None;
    // What is before `start` has passed. Of that, what is after `copied` is not in `rewritten` yet.
    let (mut start, mut copied) = (0_usize, 0_usize);
    let (mut pieces, mut changed) = (0, 0);
    let mut halt = None;
    loop {
        let end = boundary(&pending, start.saturating_add(limit).min(pending.len()));
        let all = end == pending.len();
        piece.text.clear();
        piece.text.push_str(part(&pending, start, end));
        piece.last = last && all;
        let before = facts.text.and_then(|text| text.before);
        match ask(plugin, facts, piece) {
            Ok(Verdict::Pass) => start = end,
            Ok(Verdict::Hold(bytes)) => start = cut(&pending, start, end, bytes),
            Ok(Verdict::Replace(Replacement { text, hold })) => {
                let until = cut(&pending, start, end, hold);
                if text != part(&pending, start, until) {
                    let rewritten = rewritten.get_or_insert_default();
                    rewritten.push_str(part(&pending, copied, start));
                    rewritten.push_str(&text);
                    copied = until;
                    changed += 1;
                }
                start = until;
            }
            Ok(Verdict::Stop(stop)) => halt = Some(Halt::Stop(stop)),
            Err(fault) => {
                start = pending.len();
                halt = Some(Halt::Fault(fault));
                break;
            }
        }
        pieces += 1;
        let passed = part(&pending, 0, start).chars().next_back();
        facts.text = Some(TextFacts {
            before: passed.or(before),
        });
        if all || halt.is_some() {
            break;
        }
    }
    let held = part(&pending, start, pending.len()).to_owned();
    let text = match (rewritten, pending) {
        (Some(mut text), pending) => {
            text.push_str(part(&pending, copied, start));
            Cow::Owned(text)
        }
        (None, Cow::Borrowed(pending)) => Cow::Borrowed(part(pending, 0, start)),
        (None, Cow::Owned(mut pending)) => {
            pending.truncate(start);
            Cow::Owned(pending)
        }
    };
    Passed {
        text,
        held,
        before: facts.text.and_then(|text| text.before),
        pieces,
        changed,
        halt,
    }
}

fn ask(plugin: &Plugin, facts: &mut CallFacts, piece: &Piece) -> Result<Verdict, Fault> {
    let bounds = Bounds::of(plugin, Hook::Guard);
    let held_bytes = plugin.spec().limits.held_bytes;
    plugin.call(
        Hook::Guard,
        facts,
        |exports, store| exports.guard()?.inspect(store, piece),
        |_, verdict| bounds.verdict(verdict, piece, held_bytes),
    )
}

/// Returns the start of the last `bytes` of a piece, rounded down to a character.
fn cut(text: &str, start: usize, end: usize, bytes: u32) -> usize {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    boundary(text, end.saturating_sub(bytes).max(start))
}

/// Returns the last start of a character that is not after `at`.
fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the part of a text between two starts of characters.
fn part(text: &str, start: usize, end: usize) -> &str {
    text.get(start..end).unwrap_or_default()
}
