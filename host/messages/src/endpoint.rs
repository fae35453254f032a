//! The operation that a request asks for.
//!
//! Paths are matched by whole segments, never by prefix, and the query is ignored. A path that the upstream could interpret
//! differently (percent-encoding, empty or dot segments, a trailing slash) is [`Endpoint::Other`], so that no spelling evades
//! authentication or budgets by endpoint.

mod pattern;

use std::borrow::Cow;

use smallvec::SmallVec;

pub use pattern::{BadPattern, PathPattern};

/// The workspace and environment named in a VM-X path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The environment within it.
    pub environment: &'a str,
}

/// Number of segments of the longest path that is served.
const MAX_SEGMENTS: usize = 5;

/// First segments below the API's root. Clients whose base URL ends before `/v1` request them at the root itself.
const AT_ROOT: [&str; 3] = ["messages", "models", "files"];

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
    /// `POST` or `GET /v1/skills`.
    Skills,
    /// `GET` or `DELETE /v1/skills/{id}`.
    Skill,
    /// `POST` or `GET /v1/skills/{id}/versions`.
    SkillVersions,
    /// `GET` or `DELETE /v1/skills/{id}/versions/{version}`.
    SkillVersion,
    /// `GET /v1/skills/{id}/versions/{version}/content`.
    SkillContent,
    /// `GET` or `HEAD` of `/api/hello`, Claude Code's start-up probe, and of `/`.
    Hello,
    /// A passthrough path from the operator's list of [`PathPattern`]s. [`Endpoint::of`] never returns it.
    PassThrough,
    /// Any other path.
    Other,
}

// === impl Scope ===

impl<'a> Scope<'a> {
    /// Returns the scope of a path, or `None` if it names none.
    pub fn of(path: &'a str) -> Option<Self> {
        let (path, _query) = cut_query(path);
        scoped(path).map(|(scope, _)| scope)
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Returns the operation of `method` at `path`, which may include a query. `HEAD` is treated like `GET`.
    ///
    /// The API's paths are also accepted without `/v1`, under `/anthropic/v1`, `/anthropic` and
    /// `/api/v1/completion/{workspace}/{environment}/anthropic`, the last one with and without `/v1`, so that base URLs in
    /// use keep working.
    pub fn of(method: &str, path: &str) -> Self {
        let (path, _query) = cut_query(path);
        let method = if method == "HEAD" { "GET" } else { method };
        if matches!((method, path), ("GET", "/" | "/api/hello")) {
            return Self::Hello;
        }
        let Some(found) = below_root(path).and_then(segments) else {
            return Self::Other;
        };
        match (method, found.as_slice()) {
            ("POST", ["messages"]) => Self::Messages,
            ("POST", ["messages", "count_tokens"]) => Self::CountTokens,
            ("POST" | "GET", ["messages", "batches"]) => Self::Batches,
            ("GET" | "DELETE", ["messages", "batches", _]) => Self::Batch,
            ("POST", ["messages", "batches", _, "cancel"]) => Self::BatchCancel,
            ("GET", ["messages", "batches", _, "results"]) => Self::BatchResults,
            ("GET", ["models"]) => Self::Models,
            ("GET", ["models", _]) => Self::Model,
            ("POST" | "GET", ["files"]) => Self::Files,
            ("GET" | "DELETE", ["files", _]) => Self::File,
            ("GET", ["files", _, "content"]) => Self::FileContent,
            ("POST" | "GET", ["skills"]) => Self::Skills,
            ("GET" | "DELETE", ["skills", _]) => Self::Skill,
            ("POST" | "GET", ["skills", _, "versions"]) => Self::SkillVersions,
            ("GET" | "DELETE", ["skills", _, "versions", _]) => Self::SkillVersion,
            ("GET", ["skills", _, "versions", _, "content"]) => Self::SkillContent,
            _ => Self::Other,
        }
    }

    /// Returns the operation's code, as shown to plugins and on receipts.
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
            Self::Skills => "skills",
            Self::Skill => "skill",
            Self::SkillVersions => "skill-versions",
            Self::SkillVersion => "skill-version",
            Self::SkillContent => "skill-content",
            Self::Hello => "hello",
            Self::PassThrough => "pass-through",
            Self::Other => "other",
        }
    }

    /// Returns the id in the path of a model, batch, file or skill; `path` is the one given to [`Endpoint::of`].
    pub fn id(self, path: &str) -> Option<&str> {
        let place = match self {
            Self::Batch | Self::BatchCancel | Self::BatchResults => 2,
            Self::Model
            | Self::File
            | Self::FileContent
            | Self::Skill
            | Self::SkillVersions
            | Self::SkillVersion
            | Self::SkillContent => 1,
            _ => return None,
        };
        let (path, _query) = cut_query(path);
        below_root(path)?.split('/').nth(place)
    }

    /// Returns the upstream's path for this operation: an alias becomes `/v1/…`, and the query stays byte for byte. `path` is
    /// the one given to [`Endpoint::of`].
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

/// Returns up to five segments, or `None` if there are more or one is not plain.
fn segments(resource: &str) -> Option<SmallVec<[&str; MAX_SEGMENTS]>> {
    let segments: SmallVec<[&str; MAX_SEGMENTS]> =
        resource.split('/').take(MAX_SEGMENTS + 1).collect();
    let plain = segments.iter().all(|segment| is_plain(segment));
    (plain && segments.len() <= MAX_SEGMENTS).then_some(segments)
}

/// Splits a target into the path, and the query with its question mark.
fn cut_query(path: &str) -> (&str, &str) {
    path.split_at(path.find('?').unwrap_or(path.len()))
}

/// Returns the part of a path after the API's root or any of its aliases.
fn below_root(path: &str) -> Option<&str> {
    if let Some(resource) = path.strip_prefix("/v1/") {
        return Some(resource);
    }
    let below = path.strip_prefix('/')?;
    if AT_ROOT.contains(&below.split('/').next()?) {
        return Some(below);
    }
    let rest = match scoped(path) {
        Some((_, rest)) => rest,
        None => below.strip_prefix("anthropic/")?,
    };
    Some(rest.strip_prefix("v1/").unwrap_or(rest))
}

/// Returns the scope that a path begins with, and the part after the API's name that follows it.
fn scoped(path: &str) -> Option<(Scope<'_>, &str)> {
    let mut parts = path.strip_prefix("/api/v1/completion/")?.splitn(3, '/');
    let (workspace, environment, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if !is_plain(workspace) || !is_plain(environment) {
        return None;
    }
    let scope = Scope {
        workspace,
        environment,
    };
    Some((scope, rest.strip_prefix("anthropic/")?))
}

/// Returns true for an unambiguous segment: not empty, without a trailing dot, which some servers drop, and without
/// characters that need decoding.
fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'@' | b'~')
    };
    !segment.is_empty() && !segment.ends_with('.') && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests;
