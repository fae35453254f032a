//! What counts against an upstream, and what does not.

mod headers;
mod limits;
mod rate;
