//! Tenants beside each other: their keys, what each owns, what each may spend, and batches, which are held and settled late.

mod accounts;
mod batches;
mod budget;
mod holds;
mod keys;
mod live;
mod ownership;
mod prices;
mod usage;
mod warnings;
