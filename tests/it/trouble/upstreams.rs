//! What counts against an upstream, and what does not.

mod headers;
