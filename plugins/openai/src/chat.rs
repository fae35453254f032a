//! Chat Completions: `POST /v1/chat/completions`.
//!
//! Members as in OpenAI's description of its API, as of version 3.57.0 of its library for Python.

pub(crate) mod answer;
pub(crate) mod content;
mod messages;
pub(crate) mod options;
pub(crate) mod request;
pub(crate) mod stream;
pub(crate) mod tools;
