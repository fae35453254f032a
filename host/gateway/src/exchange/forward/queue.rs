//! The order in which the targets of a plan are tried.

use std::time::Instant;

use smallvec::SmallVec;
use witgate_upstream::Alternative;

use crate::exchange::decide::targets::Target;

/// The targets that are still to be tried.
///
/// They come in the order of the plan. A target that was passed over because another one could take the request comes
/// once more at the end, if it then takes requests without an alternative.
pub(crate) struct TargetQueue<'a> {
    targets: SmallVec<[&'a Target; 8]>,
    next: usize,
    planned: usize,
}

/// A target whose turn it is.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    pub(crate) target: &'a Target,
    /// The alternative of the request if this target does not take it.
    pub(crate) alternative: Alternative,
    occasion: Occasion,
}

/// The occasion of a turn: in the planned place, or once more at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Planned,
    Deferred,
}

// === impl TargetQueue ===

impl<'a> TargetQueue<'a> {
    pub(crate) fn new(targets: &'a [Target]) -> Self {
        Self {
            targets: targets.iter().collect(),
            next: 0,
            planned: targets.len(),
        }
    }

    /// Returns the next target, or `None` when all have been tried.
    pub(crate) fn next(&mut self) -> Option<Turn<'a>> {
        loop {
            let target = *self.targets.get(self.next)?;
            self.next += 1;
            let turn = if self.next > self.planned {
                Turn {
                    target,
                    alternative: Alternative::None,
                    occasion: Occasion::Deferred,
                }
            } else {
                Turn {
                    target,
                    alternative: self.alternative(),
                    occasion: Occasion::Planned,
                }
            };
            // The answer of another target says more than that this one takes no requests.
            if turn.occasion == Occasion::Planned
                || target.upstream.takes(turn.alternative, Instant::now())
            {
                return Some(turn);
            }
        }
    }

    /// Returns whether there is another target.
    pub(crate) fn has_more(&self) -> bool {
        self.next < self.targets.len()
    }

    /// Puts a target that was passed over for another one at the end, once.
    pub(crate) fn defer(&mut self, turn: Turn<'a>) {
        if turn.occasion == Occasion::Planned {
            self.targets.push(turn.target);
        }
    }

    /// Returns whether one of the targets to come takes requests.
    fn alternative(&self) -> Alternative {
        let now = Instant::now();
        let mut rest = self.targets.iter().skip(self.next);
        if rest.any(|target| target.upstream.takes(Alternative::Available, now)) {
            Alternative::Available
        } else {
            Alternative::None
        }
    }
}
