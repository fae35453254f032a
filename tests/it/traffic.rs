//! Requests and answers on their way through the gateway: every byte as it came, every end told from a break, and the
//! limits that each of them meets.

mod bytes;
mod compressed_requests;
mod endings;
mod errors;
mod fidelity;
mod files;
mod heads;
mod http2;
mod models;
mod passthrough;
mod pressure;
mod smuggling;
mod splits;
mod streams;
mod tls;
