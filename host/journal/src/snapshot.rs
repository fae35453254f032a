//! The content of a snapshot: frames for its totals, each predecessor, balance, open hold, hold that ended and reset, and a last one
//! that says how many there were.

use witgate_ledger::{Amounts, Reset, Taken, Unit, UnixMillis};

use crate::codec::{Bad, Reader, next_frame, put_frame, put_text, put_uint};
use crate::file::{Name, Unread};
use crate::image::{Ended, HeldShare, Image, OpenHold, Tally};
use crate::record::{put_carried, put_key};

/// The units in which ended holds are noted, in order.
const ENDED_IN: [Unit; 6] = [
    Unit::PicoUsd,
    Unit::Tokens,
    Unit::Requests,
    Unit::InputTokens,
    Unit::OutputTokens,
    Unit::CachedTokens,
];

/// The kinds of records in a snapshot. Numbers are never used again.
mod kind {
    pub(super) const TOTALS: u8 = 16;
    pub(super) const APPLIED: u8 = 17;
    pub(super) const BALANCE: u8 = 18;
    pub(super) const HOLD: u8 = 19;
    pub(super) const END: u8 = 20;
    /// An ended hold without its balances.
    pub(super) const ENDED_BARE: u8 = 21;
    pub(super) const ENDED: u8 = 22;
    pub(super) const RESET: u8 = 23;
}

/// Returns the snapshot of an image.
pub(crate) fn snapshot(image: &Image) -> Vec<u8> {
    let epoch = image.position.epoch;
    let mut out = Name::snapshot(image.position).head().to_vec();
    let mut frames = 0_u64;
    let mut put = |write: &dyn Fn(&mut Vec<u8>)| {
        put_frame(&mut out, epoch, write);
        frames += 1;
    };
    put(&|out| {
        out.push(kind::TOTALS);
        put_uint(out, image.open_holds.into());
    });
    for (epoch, sequence) in &image.applied {
        put(&|out| {
            out.push(kind::APPLIED);
            put_uint(out, (*epoch).into());
            put_uint(out, (*sequence).into());
        });
    }
    for (key, tally) in &image.balances {
        put(&|out| {
            out.push(kind::BALANCE);
            put_carried(out, &tally.carried(key));
        });
    }
    for (number, hold) in &image.holds {
        put(&|out| put_hold(out, *number, hold));
    }
    for ended in &image.ended {
        put(&|out| put_ended(out, ended));
    }
    for reset in image.resets.iter() {
        put(&|out| put_reset(out, reset));
    }
    put_frame(&mut out, epoch, |out| {
        out.push(kind::END);
        put_uint(out, frames.into());
    });
    out
}

fn put_hold(out: &mut Vec<u8>, number: u64, hold: &OpenHold) {
    out.push(kind::HOLD);
    put_uint(out, number.into());
    put_text(out, &hold.name);
    put_uint(out, hold.opened.0.into());
    put_uint(out, hold.shares.len() as u128);
    for share in &hold.shares {
        put_key(out, &share.balance);
        put_uint(out, share.held);
        put_uint(out, share.floor.into());
    }
}

fn put_ended(out: &mut Vec<u8>, ended: &Ended) {
    out.push(kind::ENDED);
    put_text(out, &ended.name);
    put_text(out, &ended.owner);
    put_uint(out, ended.opened.0.into());
    for unit in ENDED_IN {
        put_uint(out, ended.amounts.of(unit).unwrap_or(0).into());
    }
    put_uint(out, ended.balances.len() as u128);
    for balance in &ended.balances {
        put_key(out, balance);
    }
}

fn put_reset(out: &mut Vec<u8>, reset: &Reset) {
    out.push(kind::RESET);
    put_text(out, &reset.name);
    put_uint(out, reset.taken.len() as u128);
    for taken in &reset.taken {
        put_key(out, &taken.balance);
        put_uint(out, taken.used);
    }
}

/// Reads a snapshot.
///
/// # Errors
///
/// The snapshot is damaged, or in an unknown format.
pub(crate) fn read_snapshot(name: Name, content: &[u8]) -> Result<Image, Unread> {
    let mut body = name.body(content)?;
    let mut image = Image {
        position: name.position,
        ..Image::default()
    };
    let mut frames = 0;
    let next = |body| next_frame(body, name.position.epoch).map_err(|Bad| Unread::Damaged);
    while let Some((payload, length)) = next(body)? {
        body = body.get(length..).unwrap_or_default();
        // Its checksum holds, so what can't be read was written so.
        let told = image.take_in(payload).map_err(|Bad| Unread::Unknown)?;
        if let Some(told) = told {
            let whole = told == frames && body.is_empty();
            return if whole {
                Ok(image)
            } else {
                Err(Unread::Damaged)
            };
        }
        frames += 1;
    }
    Err(Unread::Damaged)
}

// === impl Image ===

impl Image {
    /// Takes in the record of a frame. Returns the number of frames before it if it is the last one.
    fn take_in(&mut self, payload: &[u8]) -> Result<Option<u64>, Bad> {
        let mut reader = Reader(payload);
        let mut told = None;
        match reader.byte()? {
            kind::TOTALS => self.open_holds = reader.small()?,
            kind::APPLIED => {
                let (epoch, sequence) = (reader.small()?, reader.small()?);
                self.applied.insert(epoch, sequence);
            }
            kind::BALANCE => {
                let carried = reader.carried()?;
                let (key, tally) = Tally::of(carried);
                self.balances.insert(key, tally);
            }
            kind::HOLD => {
                let (number, hold) = reader.open_hold()?;
                self.holds.insert(number, hold);
            }
            kind::ENDED_BARE => self.ended.push_back(reader.ended()?),
            kind::ENDED => {
                let mut ended = reader.ended()?;
                ended.balances = (0..reader.small()?)
                    .map(|_| reader.key())
                    .collect::<Result<_, _>>()?;
                self.ended.push_back(ended);
            }
            kind::RESET => self.resets.remember(reader.reset()?),
            kind::END => told = Some(reader.small()?),
            _ => return Err(Bad),
        }
        reader.end()?;
        Ok(told)
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn open_hold(&mut self) -> Result<(u64, OpenHold), Bad> {
        let number = self.small()?;
        let hold = OpenHold {
            name: self.text()?,
            opened: UnixMillis(self.small()?),
            shares: (0..self.small()?)
                .map(|_| self.share())
                .collect::<Result<_, _>>()?,
        };
        Ok((number, hold))
    }

    fn reset(&mut self) -> Result<Reset, Bad> {
        Ok(Reset {
            name: self.text()?,
            taken: (0..self.small()?)
                .map(|_| self.taken())
                .collect::<Result<_, _>>()?,
        })
    }

    fn taken(&mut self) -> Result<Taken, Bad> {
        Ok(Taken {
            balance: self.key()?,
            used: self.uint()?,
        })
    }

    fn ended(&mut self) -> Result<Ended, Bad> {
        let (name, owner, opened) = (self.text()?, self.text()?, self.small()?);
        let mut amounts = [0; ENDED_IN.len()];
        for amount in &mut amounts {
            *amount = self.small()?;
        }
        let of = |unit| ENDED_IN.iter().zip(amounts).find(|(of, _)| **of == unit);
        Ok(Ended {
            name,
            owner,
            opened: UnixMillis(opened),
            amounts: Amounts::by_unit(|unit| of(unit).map_or(0, |(_, amount)| amount)),
            balances: Vec::new(),
        })
    }

    fn share(&mut self) -> Result<HeldShare, Bad> {
        Ok(HeldShare {
            balance: self.key()?,
            held: self.uint()?,
            floor: self.small()?,
        })
    }
}
