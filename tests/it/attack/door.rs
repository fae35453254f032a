//! The listeners: connections, heads, framing, keys, and who may read the admin pages.

mod admin;
mod floods;
mod heads;
mod once;
mod secrets;
mod windows;
