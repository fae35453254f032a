//! The outcomes of the guests.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use witgate_runtime::{AdmissionCause, Fault};

use super::{BOUND, is_crash};

#[derive(Default)]
pub(super) struct Tally {
    pub(super) admitted: u64,
    pub(super) crashed: u64,
    pub(super) slow: Vec<String>,
    refused: BTreeMap<String, u64>,
    answered: BTreeMap<&'static str, u64>,
    slowest: Duration,
}

// === impl Tally ===

impl Tally {
    pub(super) fn refused(&mut self, cause: &AdmissionCause) {
        if is_crash(cause) {
            self.crashed += 1;
        }
        // The name of the case; what it says is another one for each guest.
        let text = format!("{cause:?}");
        let end = text.find(|c: char| !c.is_alphanumeric());
        let mut name = text[..end.unwrap_or(text.len())].to_owned();
        if let AdmissionCause::Start(fault) | AdmissionCause::SmokeTest(fault) = cause {
            name = format!("{name}: {}", fault.kind.code());
        }
        *self.refused.entry(name).or_default() += 1;
    }

    pub(super) fn answered(&mut self, hook: &str, answer: &Result<(), Fault>, took: Duration) {
        self.slowest = self.slowest.max(took);
        if took > BOUND {
            self.slow.push(format!("{hook}: {took:?}, {answer:?}"));
        }
        let kind = answer.as_ref().err().map(|fault| fault.kind.code());
        *self.answered.entry(kind.unwrap_or("answer")).or_default() += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "admitted {}, refused {:?}", self.admitted, self.refused)?;
        writeln!(
            f,
            "calls {:?}, the slowest {:?}",
            self.answered, self.slowest
        )
    }
}
