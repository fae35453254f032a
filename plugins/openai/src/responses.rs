//! Responses: `POST /v1/responses`, as far as texts, images, functions and streams go.
//!
//! Nothing is stored, so a request brings its whole conversation. Members as in OpenAI's description of its API, as of version 3.57.0
//! of its library for Python.

pub(crate) mod answer;
mod input;
mod items;
pub(crate) mod request;
pub(crate) mod stream;
