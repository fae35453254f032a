//! Which operation a request asks for.
//!
//! Matching is on whole path segments, never on a prefix, and the query takes no part in it. A path that could mean
//! one thing here and another upstream (percent-encoding, empty or dot segments, a trailing slash) is
//! [`Endpoint::Other`]: whoever authenticates and budgets by endpoint is never fooled by a spelling.

use std::borrow::Cow;

/// An operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1/messages/count_tokens`.
    CountTokens,
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`.
    Model,
    /// `POST` or `GET /v1/messages/batches`.
    Batches,
    /// `GET` or `DELETE /v1/messages/batches/{id}`.
    Batch,
    /// `POST /v1/messages/batches/{id}/cancel`.
    BatchCancel,
    /// `GET /v1/messages/batches/{id}/results`.
    BatchResults,
    /// `POST` or `GET /v1/files`.
    Files,
    /// `GET` or `DELETE /v1/files/{id}`.
    File,
    /// `GET /v1/files/{id}/content`.
    FileContent,
    /// `HEAD /api/hello`, Claude Code's start-up probe.
    Hello,
    /// Everything else.
    Other,
}

// === impl Endpoint ===

impl Endpoint {
    /// The operation that `method` asks for at `path`, which may carry a query.
    ///
    /// The paths of the API are also known under `/anthropic/v1`, `/anthropic` and
    /// `/api/v1/completion/{workspace}/{environment}/anthropic`, the last one with and without `/v1`, so that base
    /// URLs in use keep working.
    pub fn of(method: &str, path: &str) -> Self {
        let (path, _query) = cut_query(path);
        if path == "/api/hello" {
            return if method == "HEAD" {
                Self::Hello
            } else {
                Self::Other
            };
        }
        let Some(resource) = below_root(path) else {
            return Self::Other;
        };
        let mut segments = resource.split('/');
        let found = [
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ];
        if segments.next().is_some() || !found.iter().flatten().all(|segment| is_plain(segment)) {
            return Self::Other;
        }
        match (method, found) {
            ("POST", [Some("messages"), None, ..]) => Self::Messages,
            ("POST", [Some("messages"), Some("count_tokens"), None, _]) => Self::CountTokens,
            ("POST" | "GET", [Some("messages"), Some("batches"), None, _]) => Self::Batches,
            ("GET" | "DELETE", [Some("messages"), Some("batches"), Some(_), None]) => Self::Batch,
            ("POST", [Some("messages"), Some("batches"), Some(_), Some("cancel")]) => {
                Self::BatchCancel
            }
            ("GET", [Some("messages"), Some("batches"), Some(_), Some("results")]) => {
                Self::BatchResults
            }
            ("GET", [Some("models"), None, ..]) => Self::Models,
            ("GET", [Some("models"), Some(_), None, _]) => Self::Model,
            ("POST" | "GET", [Some("files"), None, ..]) => Self::Files,
            ("GET" | "DELETE", [Some("files"), Some(_), None, _]) => Self::File,
            ("GET", [Some("files"), Some(_), Some("content"), None]) => Self::FileContent,
            _ => Self::Other,
        }
    }

    /// The open code of the operation, as plugins and receipts see it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::CountTokens => "count-tokens",
            Self::Models => "models",
            Self::Model => "model",
            Self::Batches => "batches",
            Self::Batch => "batch",
            Self::BatchCancel => "batch-cancel",
            Self::BatchResults => "batch-results",
            Self::Files => "files",
            Self::File => "file",
            Self::FileContent => "file-content",
            Self::Hello => "hello",
            Self::Other => "other",
        }
    }

    /// The path that the upstream knows this operation by: an alias becomes `/v1/…`, the query stays byte for byte.
    /// `path` is the one that [`Endpoint::of`] was given.
    pub fn upstream_path(self, path: &str) -> Cow<'_, str> {
        if matches!(self, Self::Other | Self::Hello) || path.starts_with("/v1/") {
            return Cow::Borrowed(path);
        }
        let (plain, query) = cut_query(path);
        match below_root(plain) {
            Some(resource) => Cow::Owned(format!("/v1/{resource}{query}")),
            None => Cow::Borrowed(path),
        }
    }
}

/// The path, and the query with its question mark.
fn cut_query(path: &str) -> (&str, &str) {
    path.split_at(path.find('?').unwrap_or(path.len()))
}

/// What follows the API's root, under any of its aliases.
fn below_root(path: &str) -> Option<&str> {
    if let Some(resource) = path.strip_prefix("/v1/") {
        return Some(resource);
    }
    let rest = match path.strip_prefix("/api/v1/completion/") {
        Some(rest) => {
            let mut parts = rest.splitn(3, '/');
            let (workspace, environment, rest) = (parts.next()?, parts.next()?, parts.next()?);
            if !is_plain(workspace) || !is_plain(environment) {
                return None;
            }
            rest.strip_prefix("anthropic/")?
        }
        None => path.strip_prefix("/anthropic/")?,
    };
    Some(rest.strip_prefix("v1/").unwrap_or(rest))
}

/// A segment that reads the same to everybody: not empty, no dots alone, nothing that needs decoding.
fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'@' | b'~')
    };
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests;
