//! The shapes with the standard library's allocator.

#[path = "shapes/guest.rs"]
mod guest;
