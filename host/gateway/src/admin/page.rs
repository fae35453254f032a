//! A response of the admin listener.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use witgate_http::ResponseHead;

use crate::listen::session::{ClientError, HttpSession};

/// A response of the admin listener.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
}

// === impl Page ===

impl Page {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: format!("{body:#}\n"),
            headers: Vec::new(),
        }
    }

    pub(super) fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"error": message}))
    }

    pub(super) fn read_only() -> Self {
        Self::error(405, "admin pages are read-only: use GET or HEAD")
    }

    /// Returns a page, or the problem of the query that asked for it.
    pub(super) fn of(page: Result<Value, String>) -> Self {
        match page {
            Ok(page) => Self::json(200, &page),
            Err(problem) => Self::error(400, &problem),
        }
    }

    pub(super) fn alive() -> Self {
        Self::json(200, &json!({"status": "alive"}))
    }

    /// Writes the page, with headers that keep browsers from caching it and from showing it to other sites.
    pub(super) async fn write(self, session: &mut HttpSession) -> Result<(), ClientError> {
        let status = StatusCode::from_u16(self.status);
        let mut head = ResponseHead::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        let headers = &mut head.headers;
        headers.push_text("content-type", self.content_type);
        headers.push_text("content-length", &self.body.len().to_string());
        headers.push_text("cache-control", "no-store");
        headers.push_text("x-content-type-options", "nosniff");
        headers.push_text("cross-origin-resource-policy", "same-origin");
        let has_allow = self.headers.iter().any(|(name, _)| *name == "allow");
        if self.status == 405 && !has_allow {
            headers.push_text("allow", "GET, HEAD");
        }
        for (name, value) in &self.headers {
            headers.push_text(name, value);
        }
        let body = match session.request().method {
            Method::HEAD => Bytes::new(),
            _ => Bytes::from(self.body),
        };
        session.write_head(&head).await?;
        session.write_body(body, true).await
    }
}
