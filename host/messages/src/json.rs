//! A scanner of the top level of a JSON document that skips the rest.
//!
//! A cursor walks the members of one object. Nested objects and arrays are skipped 64 bytes at a time, with the quotes,
//! backslashes and brackets of a block as bit masks. Nothing is built, and nothing below the walked level is parsed.
//!
//! The top level of an accepted document is valid JSON. Below it, brackets match, strings are terminated and contain no
//! control characters, and nesting stays within [`MAX_DEPTH`]. So member boundaries are those that any JSON parser finds, if
//! it accepts the document at all. Other errors below the top level are left to the upstream.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod block;
mod container;
mod limits;
mod malformed;
mod members;
mod mention;
mod named;
mod number;
mod object;
mod portable;
mod text;
mod value;
mod walk;

pub use container::Scanner;
pub(crate) use limits::{MAX_DEPTH, MAX_MEMBERS, MAX_NAME};
pub use malformed::{Malformed, MalformedKind};
pub(crate) use members::{Found, Unreadable, members, put};
pub(crate) use mention::may_name;
pub(crate) use named::{Inside, each_named};
pub(crate) use number::whole_number;
pub(crate) use object::{Member, Object};
pub(crate) use text::{closing_quote, closing_quote_anyhow, unescape, unescape_lossy};
pub(crate) use value::{Kind, Span};
pub(crate) use walk::{Elements, Walk};
