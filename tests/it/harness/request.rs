//! A request as the bytes that will be sent.

use serde_json::Value;

use super::wire::Headers;

/// A request. Its lines go out in the order and the spelling they were given in, and nothing is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

// === impl Request ===

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
        }
    }

    /// A Messages request as a small client sends it: host, key, version, the body and its length.
    pub fn messages(body: &Value) -> Self {
        Self::new("POST", "/v1/messages")
            .header("Host", "gateway.test")
            .header("x-api-key", "sk-ant-test")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
    }

    /// Adds a line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the value of the first line of that name, in its place and spelling; adds the line if there is none.
    #[must_use]
    pub fn set_header(mut self, name: &str, value: &str) -> Self {
        match self
            .headers
            .0
            .iter_mut()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            Some((_, old)) => value.clone_into(old),
            None => return self.header(name, value),
        }
        self
    }

    /// Drops every line of that name.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers
            .0
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body and its `Content-Length`.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let mut request = self.set_header("Content-Length", &body.len().to_string());
        request.body = body;
        request
    }

    /// Sets the body and no header: for requests whose framing is the point of the test.
    #[must_use]
    pub fn body_unframed(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The request as it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers.0 {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
