//! The records of segments and snapshots.

use std::sync::Arc;

use witgate_ledger::{
    BalanceKey, Calendar, Carried, Change, Entry, Position, Shift, Span, Split, Step, Taken, Unit,
    UnixMillis, Window, Zone,
};

use crate::codec::{Bad, Reader, put_int, put_text, put_uint};

/// A record of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    /// A step of a hold.
    Step(Posted),
    /// A hold became two.
    Split(Divided),
    /// The process, of an earlier version, let go of the journal at a hand-over. Its open holds are only counted from here on.
    Left,
}

/// A step of a hold, or of holds of a predecessor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) sequence: u64,
    pub(crate) step: Step,
    /// The number of the hold, or 0 for holds that are only counted.
    pub(crate) hold: u64,
    pub(crate) name: Arc<str>,
    pub(crate) at: UnixMillis,
    pub(crate) origin: Option<Position>,
    pub(crate) holds: i64,
    pub(crate) changes: Vec<Changed>,
}

/// The change of one balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) balance: BalanceKey,
    pub(crate) owner: Arc<str>,
    pub(crate) limit: u64,
    pub(crate) held: (u128, u128),
    pub(crate) floor: (u64, u64),
    pub(crate) used: u128,
    pub(crate) holds: i64,
}

/// A hold that became two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Divided {
    pub(crate) sequence: u64,
    pub(crate) hold: u64,
    pub(crate) new: u64,
    pub(crate) name: Arc<str>,
    pub(crate) units: Vec<Unit>,
}

/// The kinds of records, as on disk. Numbers are never used again.
mod kind {
    pub(super) const HOLD: u8 = 1;
    pub(super) const EXTEND: u8 = 2;
    pub(super) const SETTLE: u8 = 3;
    /// A settlement without usage.
    pub(super) const VOID: u8 = 4;
    pub(super) const SPLIT: u8 = 5;
    /// The last record of a process of an earlier version that handed over. It is no step and has no number.
    pub(super) const LEFT: u8 = 6;
    /// Usage that an operator took off a balance.
    pub(super) const RESET: u8 = 7;
}

/// Appends a step.
pub(crate) fn put_entry(out: &mut Vec<u8>, entry: &Entry<'_>) {
    out.push(match entry.step {
        Step::Opened => kind::HOLD,
        Step::Extended => kind::EXTEND,
        Step::Ended if entry.changes.iter().all(|shift| shift.used == 0) => kind::VOID,
        Step::Ended => kind::SETTLE,
        Step::Reset => kind::RESET,
    });
    put_uint(out, entry.position.sequence.into());
    put_uint(out, entry.hold.into());
    put_text(out, entry.name);
    put_uint(out, entry.at.0.into());
    let origin = entry.origin.unwrap_or_default();
    put_uint(out, origin.epoch.into());
    put_uint(out, origin.sequence.into());
    put_int(out, entry.holds);
    put_uint(out, entry.changes.len() as u128);
    for shift in entry.changes {
        put_shift(out, shift);
    }
}

fn put_shift(out: &mut Vec<u8>, shift: &Shift<'_>) {
    put_text(out, shift.account);
    put_window(out, shift.window);
    out.push(code_of_unit(shift.unit));
    put_end(out, shift.resets_at);
    put_text(out, shift.owner);
    put_uint(out, shift.limit.into());
    put_uint(out, shift.held.0);
    put_uint(out, shift.held.1);
    put_uint(out, shift.floor.0.into());
    put_uint(out, shift.floor.1.into());
    put_uint(out, shift.used);
    put_int(out, shift.holds);
}

/// Appends the division of a hold.
pub(crate) fn put_split(out: &mut Vec<u8>, split: &Split<'_>) {
    out.push(kind::SPLIT);
    put_uint(out, split.position.sequence.into());
    put_uint(out, split.hold.into());
    put_uint(out, split.new.into());
    put_text(out, split.name);
    put_uint(out, split.units.len() as u128);
    out.extend(split.units.iter().map(|unit| code_of_unit(*unit)));
}

/// Appends the key of a balance.
pub(crate) fn put_key(out: &mut Vec<u8>, key: &BalanceKey) {
    put_text(out, &key.account);
    put_window(out, key.window);
    out.push(code_of_unit(key.unit));
    put_end(out, key.resets_at);
}

/// Appends a balance of a snapshot.
pub(crate) fn put_carried(out: &mut Vec<u8>, carried: &Carried) {
    put_key(out, &carried.balance);
    put_text(out, &carried.owner);
    put_uint(out, carried.limit.into());
    put_uint(out, carried.used);
    put_uint(out, carried.held);
    put_uint(out, carried.floor);
    put_uint(out, carried.holds.into());
}

fn put_end(out: &mut Vec<u8>, resets_at: Option<UnixMillis>) {
    // Zero is no end: every period ends after the first millisecond of 1970.
    put_uint(out, resets_at.map_or(0, |at| at.0.into()));
}

/// The kinds of windows, as on disk. Numbers are never used again.
mod window {
    pub(super) const MINUTE: u8 = 1;
    pub(super) const HOUR: u8 = 2;
    pub(super) const DAY: u8 = 3;
    pub(super) const MONTH: u8 = 4;
    pub(super) const TOTAL: u8 = 5;
    pub(super) const WEEK: u8 = 6;
    /// Followed by the period of the calendar and the name of the zone.
    pub(super) const LOCAL: u8 = 7;
    /// Followed by the length in minutes.
    pub(super) const LAST: u8 = 8;
}

fn put_window(out: &mut Vec<u8>, window: Window) {
    match window {
        Window::Minute => out.push(window::MINUTE),
        Window::Hour => out.push(window::HOUR),
        Window::Day => out.push(window::DAY),
        Window::Month => out.push(window::MONTH),
        Window::Total => out.push(window::TOTAL),
        Window::Week => out.push(window::WEEK),
        Window::Local(local) => {
            out.extend([window::LOCAL, code_of_calendar(local.calendar())]);
            put_text(out, local.zone().name());
        }
        Window::Last(span) => {
            out.push(window::LAST);
            put_uint(out, span.whole_minutes().into());
        }
    }
}

fn code_of_calendar(calendar: Calendar) -> u8 {
    match calendar {
        Calendar::Day => 1,
        Calendar::Week => 2,
        Calendar::Month => 3,
    }
}

fn code_of_unit(unit: Unit) -> u8 {
    match unit {
        Unit::PicoUsd => 1,
        Unit::Tokens => 2,
        Unit::Requests => 3,
        Unit::InFlight => 4,
        Unit::InputTokens => 5,
        Unit::OutputTokens => 6,
        Unit::CachedTokens => 7,
        Unit::Sessions => 8,
    }
}

// === impl Changed ===

impl Changed {
    /// Returns what the change of a reset takes off.
    pub(crate) fn taken(&self) -> Taken {
        Taken {
            balance: self.balance.clone(),
            used: self.used,
        }
    }

    /// Returns the change in the form in which a ledger repeats it.
    pub(crate) fn to_change(&self) -> Change {
        Change {
            balance: self.balance.clone(),
            owner: Arc::clone(&self.owner),
            limit: self.limit,
            held: self.held,
            floor: self.floor,
            used: self.used,
        }
    }
}

// === impl Record ===

impl Record {
    /// Reads a record.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, Bad> {
        let mut reader = Reader(payload);
        let kind = reader.byte()?;
        if kind == kind::LEFT {
            reader.end()?;
            return Ok(Self::Left);
        }
        let sequence = reader.small()?;
        let hold = reader.small()?;
        let record = match kind {
            kind::SPLIT => Self::Split(Divided {
                sequence,
                hold,
                new: reader.small()?,
                name: reader.text()?,
                units: (0..reader.small()?)
                    .map(|_| reader.unit())
                    .collect::<Result<_, _>>()?,
            }),
            kind => Self::Step(Posted {
                sequence,
                step: match kind {
                    kind::HOLD => Step::Opened,
                    kind::EXTEND => Step::Extended,
                    kind::SETTLE | kind::VOID => Step::Ended,
                    kind::RESET => Step::Reset,
                    _ => return Err(Bad),
                },
                hold,
                name: reader.text()?,
                at: UnixMillis(reader.small()?),
                origin: reader.origin()?,
                holds: reader.int()?,
                changes: (0..reader.small()?)
                    .map(|_| reader.change())
                    .collect::<Result<_, _>>()?,
            }),
        };
        reader.end()?;
        Ok(record)
    }

    /// Returns the number of the step, or `None` if it is none.
    pub(crate) fn sequence(&self) -> Option<u64> {
        match self {
            Self::Step(posted) => Some(posted.sequence),
            Self::Split(divided) => Some(divided.sequence),
            Self::Left => None,
        }
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn unit(&mut self) -> Result<Unit, Bad> {
        let code = self.byte()?;
        let mut all = Unit::ALL.into_iter();
        all.find(|unit| code_of_unit(*unit) == code).ok_or(Bad)
    }

    fn window(&mut self) -> Result<Window, Bad> {
        Ok(match self.byte()? {
            window::MINUTE => Window::Minute,
            window::HOUR => Window::Hour,
            window::DAY => Window::Day,
            window::MONTH => Window::Month,
            window::TOTAL => Window::Total,
            window::WEEK => Window::Week,
            window::LOCAL => {
                let calendar = self.calendar()?;
                let zone = Zone::parse(&self.text()?).map_err(|_| Bad)?;
                Window::local(calendar, zone)
            }
            window::LAST => {
                let minutes = u32::try_from(self.small()?).map_err(|_| Bad)?;
                Window::Last(Span::minutes(minutes).ok_or(Bad)?)
            }
            _ => return Err(Bad),
        })
    }

    fn calendar(&mut self) -> Result<Calendar, Bad> {
        let code = self.byte()?;
        let mut all = Calendar::ALL.into_iter();
        all.find(|calendar| code_of_calendar(*calendar) == code)
            .ok_or(Bad)
    }

    fn origin(&mut self) -> Result<Option<Position>, Bad> {
        let epoch = self.small()?;
        let sequence = self.small()?;
        Ok((epoch > 0).then_some(Position { epoch, sequence }))
    }

    /// Reads the key of a balance.
    pub(crate) fn key(&mut self) -> Result<BalanceKey, Bad> {
        Ok(BalanceKey {
            account: self.text()?,
            window: self.window()?,
            unit: self.unit()?,
            resets_at: Some(UnixMillis(self.small()?)).filter(|at| at.0 > 0),
        })
    }

    /// Reads a balance of a snapshot.
    pub(crate) fn carried(&mut self) -> Result<Carried, Bad> {
        Ok(Carried {
            balance: self.key()?,
            owner: self.text()?,
            limit: self.small()?,
            used: self.uint()?,
            held: self.uint()?,
            floor: self.uint()?,
            holds: self.small()?,
        })
    }

    fn change(&mut self) -> Result<Changed, Bad> {
        Ok(Changed {
            balance: self.key()?,
            owner: self.text()?,
            limit: self.small()?,
            held: (self.uint()?, self.uint()?),
            floor: (self.small()?, self.small()?),
            used: self.uint()?,
            holds: self.int()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_and_unit_reads_back_as_it_was_written() {
        let others = [
            "day@Europe/Berlin",
            "week@America/St_Johns",
            "month@Asia/Kolkata",
            "last-5-hours",
            "last-366-days",
        ];
        let others = others.map(|code| Window::parse(code).expect("a known code"));
        for window in Window::WORDS.into_iter().chain(others) {
            for unit in Unit::ALL {
                let key = BalanceKey {
                    account: "tenant:acme".into(),
                    window,
                    unit,
                    resets_at: window.resets_at(UnixMillis(1_795_225_386_000)),
                };
                let mut bytes = Vec::new();
                put_key(&mut bytes, &key);
                let mut reader = Reader(&bytes);
                assert_eq!(reader.key().as_ref(), Ok(&key), "{window} in {unit:?}");
                assert_eq!(reader.end(), Ok(()), "and nothing is left");
            }
        }
    }
}
