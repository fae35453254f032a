//! Names, addresses and connections that fail, and clients that leave in the middle.

mod addresses;
mod names;
mod stuck;
mod uploads;
