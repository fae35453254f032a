//! A response of the admin listener.

use bytes::Bytes;
use http::Method;
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use serde_json::{Value, json};

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
    pub(super) async fn write(self, session: &mut ServerSession) -> pingora_core::Result<()> {
        let mut head = ResponseHeader::build(self.status, Some(8))?;
        head.append_header("Content-Type", self.content_type)?;
        head.append_header("Content-Length", self.body.len().to_string())?;
        head.append_header("Cache-Control", "no-store")?;
        head.append_header("X-Content-Type-Options", "nosniff")?;
        head.append_header("Cross-Origin-Resource-Policy", "same-origin")?;
        let has_allow = self.headers.iter().any(|(name, _)| *name == "Allow");
        if self.status == 405 && !has_allow {
            head.append_header("Allow", "GET, HEAD")?;
        }
        for (name, value) in self.headers {
            head.append_header(name, value)?;
        }
        let body = match session.req_header().method {
            Method::HEAD => Bytes::new(),
            _ => Bytes::from(self.body),
        };
        session.write_response_header(Box::new(head)).await?;
        session.write_response_body(body, true).await
    }
}
