//! Trouble as operators meet it in the first months, one small input each, and what the gateway does instead of harm.
//! `make trouble` runs these tests alone.

mod authors;
mod configuration;
mod connections;
mod files;
mod money;
mod policies;
mod requests;
mod upstreams;
