//! Heads and framing of HTTP messages as values, without I/O.
//!
//! A proxy reads a head, looks for a dozen names in it, and writes nearly all of it again. [`Headers`] serves that: the lines of a
//! head in their order and spelling, in one piece of memory, searched from the front. [`RequestHead::parse`] and
//! [`ResponseHead::parse`] read the heads of HTTP/1.1 messages (RFC 9112), `write` methods write them, and [`Rest`] finds the content
//! and the end of a body.

mod body;
mod headers;
mod request;
mod response;

pub use self::body::{BadChunk, Chunk, Rest};
pub use self::headers::{Header, Headers, Value};
pub use self::request::{BadRequest, RequestHead};
pub use self::response::{BadResponse, ResponseHead};
