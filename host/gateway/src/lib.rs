//! A reverse proxy for Anthropic Messages traffic whose policies are WebAssembly plugins, as a library.
//!
//! The binary `witgate` is built on it; tests and programs that embed the gateway start a [`Server`]. The module tree follows
//! the request path: [`exchange`] has a folder for each of the seven steps of a request.

mod admin;
mod amounts;
mod answer;
mod batches;
mod budgets;
mod capacities;
pub mod capture;
mod clock;
pub mod config;
mod exchange;
mod gateway;
mod journal;
mod listen;
mod outgoing;
mod prices;
mod receipts;
mod server;
mod store;
mod tables;
mod tenants;
pub mod text;
mod usage;

pub use admin::keyring as admin_keys;
pub use journal::rebuild as ledger_files;
pub use listen::{CannotListen, Drained, ListenerRole, bind};
pub use prices::Prices;
#[doc(hidden)]
pub use receipts::measured as measured_receipts;
pub use server::inspect;
pub use server::{Options, Server, open_policies, runtime_options};
pub use tenants::keys;
pub use witgate_audit::segments as receipts_files;
pub use witgate_upstream::{Resolved, Resolver};
