//! Upstreams: their configuration, their addresses, their health, and requests to them.
//!
//! [`Upstreams`] holds all upstreams and groups of a configuration. [`Upstream::attempt`] is the only way to ask one: it
//! admits the request (circuit breaker, health, limit of requests in flight) and gives an [`Attempt`], which sends the
//! request, renews the credential once if it is refused, and counts the end for the statistics of the upstream. [`run_upkeep`]
//! runs health checks and renews credentials that expire.
//!
//! The crate knows nothing of clients, plugins, receipts or the ledger. It needs a tokio runtime and starts no thread.

mod admission;
mod affinity;
mod attempt;
mod backoff;
mod breaker;
pub mod config;
mod connection;
mod credential;
mod dialect;
mod dns;
mod endpoint;
mod group;
mod health;
mod latency;
mod limit;
pub mod pem;
mod pool;
mod provider;
mod question;
mod request;
mod retries;
mod sessions;
mod stats;
mod summary;
mod upkeep;
mod upstream;
mod upstreams;
mod window;

pub use admission::{Admission, Closed, ClosedReason, State};
pub use affinity::Affinity;
pub use attempt::{Answer, Attempt, Sent};
pub use backoff::Backoff;
pub use breaker::{Alternative, Opened, Severity};
pub use connection::departure::Departure;
pub use connection::error::RequestError;
pub use connection::response::Response;
pub use connection::upload::{Taken, Upload};
pub use credential::leased::LeaseStatus;
pub use dialect::{AsSent, Consequence, Counted, Figures, Unfit};
pub use dns::resolver::{Resolved, Resolver, SharedResolver, system_resolver};
pub use dns::{AddressStatus, Addresses, PassedOver};
pub use group::{Chosen, Found, Group, Member};
pub use health::Trouble;
pub use latency::Latency;
pub use limit::{ChosenBy, Limit};
pub use pool::{Among, CredentialState, CredentialStatus, LimitStatus, WindowStatus, Wish};
pub use question::Answered;
pub use request::{Framing, HeadersOf, Request, credentials, is_callers_credential, is_credential};
pub use retries::RetryBudget;
pub use sessions::Sessions;
pub use stats::{Minute, Stats};
pub use summary::Summary;
pub use upkeep::run_upkeep;
pub use upstream::Upstream;
pub use upstreams::Upstreams;
pub use witgate_dialect::Skew;
