//! Tenants: the keys that callers present, the resources that each tenant owns, where a request comes from, how much each
//! key may have in flight, and who signed the thinking of a session.

pub(crate) mod concurrency;
pub mod keys;
pub(crate) mod owners;
pub(crate) mod provenance;
pub(crate) mod signers;
