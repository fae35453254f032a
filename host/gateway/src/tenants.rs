//! Tenants: the keys that callers present, the resources that each tenant owns, where a request comes from, and how much
//! each key may have in flight.

pub(crate) mod concurrency;
pub mod keys;
pub(crate) mod owners;
pub(crate) mod provenance;
