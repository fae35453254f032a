//! Requests that are unusual and allowed, paths of other clients, and what a receipt says of them.

mod addresses;
mod bodies;
mod browsers;
mod numbers;
mod receipts;
mod workspaces;
