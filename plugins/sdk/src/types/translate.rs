//! Claims of paths, and the requests and answers of a translation.

use super::{Asked, Claim, Response};

// === impl Claim ===

impl Claim {
    /// Claims a path for a method: the whole path, or its beginning followed by `/*`.
    #[must_use]
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            except_headers: Vec::new(),
        }
    }

    /// Leaves requests alone that have this header, by its lowercase name.
    #[must_use]
    pub fn except_header(mut self, name: impl Into<String>) -> Self {
        self.except_headers.push(name.into());
        self
    }
}

// === impl Asked ===

impl Asked {
    /// Asks the Messages API with a body.
    #[must_use]
    pub fn messages(body: impl Into<String>) -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/v1/messages".to_owned(),
            headers: Vec::new(),
            without_headers: Vec::new(),
            body: Some(body.into()),
        }
    }

    /// Asks for a path without a body, as for `/v1/models`.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.into(),
            headers: Vec::new(),
            without_headers: Vec::new(),
            body: None,
        }
    }

    /// Sets a header, whose name begins with `anthropic-`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Removes a header by its name, or several by a prefix followed by `*`.
    #[must_use]
    pub fn without_header(mut self, name: impl Into<String>) -> Self {
        self.without_headers.push(name.into());
        self
    }
}

// === impl Response ===

impl Response {
    /// Creates a response in JSON.
    #[must_use]
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "application/json".to_owned(),
            body: body.into(),
        }
    }
}
