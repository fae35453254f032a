//! Requests that are unusual and allowed, paths of other clients, and what a receipt says of them.

mod bodies;
mod numbers;
