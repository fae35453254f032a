//! Programs: the patterns of all rules of one side, as one automaton without a state for every text that it may be in.

use crate::pattern::{Class, Pattern};

/// The maximum number of steps of a program.
const MAX_STEPS: usize = 20_000;

/// A step of a program. Where nothing else is said, the next step follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Consumes an ASCII character.
    Class(Class),
    /// Consumes a byte in a range.
    Bytes(u8, u8),
    /// Goes on in both places.
    Split(u16, u16),
    Jump(u16),
    /// Goes on at a word boundary.
    Boundary,
    /// Ends a match of the rule with this number.
    Found(u16),
}

/// The beginning of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The step that consumes the first byte.
    pub(crate) step: u16,
    /// `true` if it has to be at a word boundary.
    pub(crate) at_boundary: bool,
}

/// The patterns of rules.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    starts: Vec<u16>,
    /// The openings for each first byte.
    openings: Vec<Vec<Opening>>,
}

// === impl Program ===

impl Program {
    /// Adds the pattern of the rule with this number.
    ///
    /// # Errors
    ///
    /// The pattern is too large.
    pub(crate) fn add(&mut self, pattern: &Pattern, rule: u16) -> Result<(), String> {
        let start = self.here();
        self.starts.push(start);
        self.emit(pattern)?;
        self.push(Step::Found(rule))
    }

    /// Finds the openings, once all patterns are there.
    pub(crate) fn finish(&mut self) {
        self.openings = vec![Vec::new(); 256];
        let mut seen = vec![false; self.steps.len() * 2];
        for start in self.starts.clone() {
            self.open(start, false, &mut seen);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(crate) fn step(&self, place: u16) -> Step {
        let step = self.steps.get(usize::from(place));
        step.copied().unwrap_or(Step::Jump(0))
    }

    /// Returns the openings of matches whose first byte is this.
    pub(crate) fn openings(&self, byte: u8) -> &[Opening] {
        self.openings
            .get(usize::from(byte))
            .map_or(&[], Vec::as_slice)
    }

    fn open(&mut self, place: u16, at_boundary: bool, seen: &mut [bool]) {
        match seen.get_mut(usize::from(place) * 2 + usize::from(at_boundary)) {
            Some(seen) if !*seen => *seen = true,
            _ => return,
        }
        let step = self.step(place);
        match step {
            Step::Split(one, other) => {
                self.open(one, at_boundary, seen);
                self.open(other, at_boundary, seen);
            }
            Step::Jump(to) => self.open(to, at_boundary, seen),
            Step::Boundary => self.open(place + 1, true, seen),
            Step::Class(_) | Step::Bytes(..) => {
                for (byte, openings) in (0_u8..=255).zip(&mut self.openings) {
                    if step.consumes(byte) {
                        openings.push(Opening {
                            step: place,
                            at_boundary,
                        });
                    }
                }
            }
            Step::Found(_) => {}
        }
    }

    fn here(&self) -> u16 {
        u16::try_from(self.steps.len()).unwrap_or(u16::MAX)
    }

    fn push(&mut self, step: Step) -> Result<(), String> {
        if self.steps.len() >= MAX_STEPS {
            return Err(format!(
                "the patterns together have more than {MAX_STEPS} steps; repeat less"
            ));
        }
        self.steps.push(step);
        Ok(())
    }

    fn set(&mut self, place: u16, step: Step) {
        if let Some(known) = self.steps.get_mut(usize::from(place)) {
            *known = step;
        }
    }

    fn emit(&mut self, pattern: &Pattern) -> Result<(), String> {
        match pattern {
            Pattern::Class(class) if class.is_beyond() => self.emit_beyond(*class),
            Pattern::Class(class) => self.push(Step::Class(*class)),
            Pattern::Byte(byte) => self.push(Step::Bytes(*byte, *byte)),
            Pattern::Boundary => self.push(Step::Boundary),
            Pattern::All(parts) => parts.iter().try_for_each(|part| self.emit(part)),
            Pattern::Any(parts) => self.emit_any(parts.len(), |program, index| {
                parts.get(index).map_or(Ok(()), |part| program.emit(part))
            }),
            Pattern::Repeat {
                pattern,
                least,
                most,
            } => self.emit_repeat(pattern, *least, *most),
        }
    }

    /// Emits alternatives.
    fn emit_any(
        &mut self,
        count: usize,
        emit: impl Fn(&mut Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut ends = Vec::new();
        for index in 0..count {
            let split = self.here();
            if index + 1 < count {
                self.push(Step::Split(split + 1, 0))?;
            }
            emit(self, index)?;
            if index + 1 < count {
                ends.push(self.here());
                self.push(Step::Jump(0))?;
                let next = self.here();
                self.set(split, Step::Split(split + 1, next));
            }
        }
        let end = self.here();
        for jump in ends {
            self.set(jump, Step::Jump(end));
        }
        Ok(())
    }

    /// Emits a class with all characters beyond ASCII: whole ones, so that a match never ends inside of one.
    fn emit_beyond(&mut self, class: Class) -> Result<(), String> {
        const LEADS: [(u8, u8); 3] = [(0xC2, 0xDF), (0xE0, 0xEF), (0xF0, 0xF4)];
        self.emit_any(LEADS.len() + 1, |program, index| {
            let Some((first, last)) = LEADS.get(index) else {
                return program.push(Step::Class(class.within_ascii()));
            };
            program.push(Step::Bytes(*first, *last))?;
            (0..=index).try_for_each(|_| program.push(Step::Bytes(0x80, 0xBF)))
        })
    }

    fn emit_repeat(
        &mut self,
        pattern: &Pattern,
        least: u16,
        most: Option<u16>,
    ) -> Result<(), String> {
        for _ in 0..least {
            self.emit(pattern)?;
        }
        match most {
            None => {
                let split = self.here();
                self.push(Step::Split(split + 1, 0))?;
                self.emit(pattern)?;
                self.push(Step::Jump(split))?;
                let end = self.here();
                self.set(split, Step::Split(split + 1, end));
            }
            Some(most) => {
                let mut splits = Vec::new();
                for _ in least..most {
                    splits.push(self.here());
                    self.push(Step::Split(0, 0))?;
                    self.emit(pattern)?;
                }
                let end = self.here();
                for split in splits {
                    self.set(split, Step::Split(split + 1, end));
                }
            }
        }
        Ok(())
    }
}

// === impl Step ===

impl Step {
    /// Returns whether the step consumes a byte.
    pub(crate) fn consumes(self, byte: u8) -> bool {
        match self {
            Self::Class(class) => class.has(byte),
            Self::Bytes(first, last) => (first..=last).contains(&byte),
            Self::Split(..) | Self::Jump(_) | Self::Boundary | Self::Found(_) => false,
        }
    }
}
