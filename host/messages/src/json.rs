//! Reading the top level of a JSON document without reading the rest.
//!
//! A cursor walks the members of one object; values that are objects or arrays are skipped 64 bytes at a time, with
//! the quotes, backslashes and brackets of a block as bit masks. Nothing is built and nothing below the walked level
//! is parsed.
//!
//! What is promised of a document that is accepted: its top level is valid JSON; below it brackets match, strings end
//! and hold no control characters, and nesting stays within [`MAX_DEPTH`]. So member boundaries are those that any
//! JSON parser finds, if it accepts the document at all. What else may be wrong below is the upstream's to refuse.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod block;
mod container;
mod malformed;
mod members;
mod named;
mod number;
mod object;
mod portable;
mod text;
mod value;
mod walk;

pub use container::Scanner;
pub use malformed::{Malformed, MalformedKind};
pub(crate) use members::{Found, Unreadable, members, put};
pub(crate) use named::{Inside, each_named};
pub(crate) use number::whole_number;
pub(crate) use object::{Member, Object};
pub(crate) use text::unescape;
pub(crate) use value::{Kind, Span};
pub(crate) use walk::{Elements, Walk};

/// Deepest nesting of brackets. Recursive parsers stop sooner (`serde_json` at 128), so nothing that an upstream
/// reads comes near it.
pub(crate) const MAX_DEPTH: usize = 512;

/// Most members of one object whose names have to be told apart. The API knows some thirty.
pub(crate) const MAX_MEMBERS: usize = 256;

/// Longest member name in bytes, as written. With [`MAX_MEMBERS`] it bounds what a hostile body makes us compare.
pub(crate) const MAX_NAME: usize = 1024;
