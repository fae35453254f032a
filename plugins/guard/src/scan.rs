//! The search of a text for the matches of a program.
//!
//! All matches that are still possible advance together, one byte at a time, so the time grows with the length of the text alone,
//! and the search knows at the end of a piece where the earliest match begins that could still be going on.

use crate::program::{Program, Step};

/// A match: the leftmost one, and the longest of those. Of equal ones, that of the first rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) rule: u16,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A match that is still possible: where it begins, and the step that decides next.
#[derive(Debug, Clone, Copy)]
struct Thread {
    step: u16,
    start: usize,
}

/// A search. Its memory is used for one text after the other.
#[derive(Debug, Default)]
pub(crate) struct Search {
    threads: Vec<Thread>,
    next: Vec<Thread>,
    /// Steps to look at, while nothing is consumed.
    stack: Vec<u16>,
    /// The round in which each step was last added to `next`, and in which it was last looked at.
    added: Vec<u64>,
    seen: Vec<u64>,
    round: u64,
    looks: u64,
    best: Option<Match>,
}

/// A text, and what its end means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    /// `true` if the text ends here.
    pub(crate) last: bool,
    /// The longest match that is waited for, in bytes.
    pub(crate) longest: usize,
}

/// The program of a search, and what it needs to know beyond the pattern and the text.
pub(crate) struct Finder<'a> {
    pub(crate) program: &'a Program,
    pub(crate) is_valid: &'a dyn Fn(u16, &str) -> bool,
    /// Returns the character before the text, or `None` at its start.
    pub(crate) before: &'a dyn Fn() -> Option<char>,
}

// === impl Search ===

impl Search {
    /// Finds all matches in a text, and returns the place from which a match could still be going on: the end of the text if there
    /// is none.
    pub(crate) fn run(
        &mut self,
        finder: &Finder<'_>,
        text: Text<'_>,
        mut found: impl FnMut(Match),
    ) -> usize {
        let bytes = text.text.as_bytes();
        let steps = finder.program.steps.len();
        if self.added.len() != steps {
            self.added = vec![0; steps];
            self.seen = vec![0; steps];
        }
        self.threads.clear();
        self.best = None;
        let mut at = 0;
        loop {
            if let Some(best) = self.best {
                self.threads.retain(|thread| thread.start <= best.start);
                if self.threads.is_empty() {
                    found(best);
                    self.best = None;
                    at = best.end;
                }
            }
            if self.threads.is_empty() {
                let ahead = bytes.get(at..).unwrap_or_default();
                let skipped = ahead
                    .iter()
                    .position(|byte| !finder.program.openings(*byte).is_empty());
                at += skipped.unwrap_or(ahead.len());
            }
            let before = match at.checked_sub(1) {
                Some(at) => bytes.get(at).copied(),
                // Asked only where something could begin.
                None if at < bytes.len() => before(finder),
                None => None,
            };
            let Some(byte) = bytes.get(at).copied() else {
                if !text.last {
                    return self.open(bytes.len());
                }
                self.advance(finder, text.text, at, before, None);
                if self.best.is_none() {
                    return bytes.len();
                }
                continue;
            };
            self.advance(finder, text.text, at, before, Some(byte));
            at += 1;
            self.threads
                .retain(|thread| at - thread.start < text.longest);
        }
    }

    /// Returns the start of the earliest match that may still be going on, or of one that was found and may become longer.
    fn open(&self, end: usize) -> usize {
        let threads = self.threads.iter().map(|thread| thread.start);
        let best = self.best.map(|best| best.start);
        threads.chain(best).min().unwrap_or(end)
    }

    /// Lets all matches consume a byte, or the end of the text.
    fn advance(
        &mut self,
        finder: &Finder<'_>,
        text: &str,
        at: usize,
        before: Option<u8>,
        byte: Option<u8>,
    ) {
        self.round += 1;
        self.next.clear();
        let boundary = is_word(before) != is_word(byte);
        let threads = std::mem::take(&mut self.threads);
        for thread in &threads {
            self.look(finder, text, at, *thread, boundary, byte);
        }
        // A match that was found begins before all that could begin now.
        if let (Some(byte), None) = (byte, self.best) {
            for opening in finder.program.openings(byte) {
                if boundary || !opening.at_boundary {
                    let thread = Thread {
                        step: opening.step + 1,
                        start: at,
                    };
                    self.add(finder, text, at + 1, thread);
                }
            }
        }
        self.threads = std::mem::replace(&mut self.next, threads);
    }

    /// Lets one match consume a byte, after the word boundaries that it waits for.
    fn look(
        &mut self,
        finder: &Finder<'_>,
        text: &str,
        at: usize,
        thread: Thread,
        boundary: bool,
        byte: Option<u8>,
    ) {
        self.looks += 1;
        self.stack.clear();
        self.stack.push(thread.step);
        while let Some(step) = self.stack.pop() {
            if !mark(&mut self.seen, step, self.looks) {
                continue;
            }
            match finder.program.step(step) {
                Step::Split(one, other) => self.stack.extend([other, one]),
                Step::Jump(to) => self.stack.push(to),
                Step::Boundary if boundary => self.stack.push(step + 1),
                Step::Boundary => {}
                Step::Found(rule) => self.end(finder, text, thread.start, at, rule),
                consuming => {
                    if byte.is_some_and(|byte| consuming.consumes(byte)) {
                        let thread = Thread {
                            step: step + 1,
                            start: thread.start,
                        };
                        self.add(finder, text, at + 1, thread);
                    }
                }
            }
        }
    }

    /// Adds a match that has consumed what is before `at`, up to the steps that depend on what follows.
    fn add(&mut self, finder: &Finder<'_>, text: &str, at: usize, thread: Thread) {
        self.stack.push(thread.step);
        let floor = self.stack.len() - 1;
        while self.stack.len() > floor {
            let Some(step) = self.stack.pop() else {
                break;
            };
            // Matches are added in the order of their starts, so the first one of a step is the leftmost.
            if !mark(&mut self.added, step, self.round) {
                continue;
            }
            match finder.program.step(step) {
                Step::Split(one, other) => self.stack.extend([other, one]),
                Step::Jump(to) => self.stack.push(to),
                Step::Found(rule) => self.end(finder, text, thread.start, at, rule),
                Step::Boundary | Step::Class(_) | Step::Bytes(..) => self.next.push(Thread {
                    step,
                    start: thread.start,
                }),
            }
        }
    }

    /// Notes the end of a match, if it is the best so far.
    fn end(&mut self, finder: &Finder<'_>, text: &str, start: usize, end: usize, rule: u16) {
        let better = self.best.is_none_or(|best| {
            start < best.start
                || (start == best.start
                    && (end > best.end || (end == best.end && rule < best.rule)))
        });
        let matched = text.get(start..end).unwrap_or_default();
        if better && (finder.is_valid)(rule, matched) {
            self.best = Some(Match { rule, start, end });
        }
    }
}

/// Returns the byte before a text, as far as word boundaries are concerned.
fn before(finder: &Finder<'_>) -> Option<u8> {
    let before = (finder.before)()?;
    Some(u8::try_from(before).ok().filter(u8::is_ascii).unwrap_or(0))
}

fn mark(rounds: &mut [u64], step: u16, round: u64) -> bool {
    match rounds.get_mut(usize::from(step)) {
        Some(known) if *known != round => {
            *known = round;
            true
        }
        Some(_) | None => false,
    }
}

fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
