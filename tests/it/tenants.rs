//! Tenants beside each other: what each owns, what each may spend, and batches, which are held and settled late.

mod batches;
mod budget;
mod ownership;
