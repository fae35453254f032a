//! Limits and grants that a guest broke.

use std::fmt;
use std::time::Duration;

use crate::grants::BodyGrant;

/// A limit that the guest exceeded or a grant that it lacked in a call to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Breach {
    HostCalls(u32),
    Copy(usize),
    /// More notes than an exchange may have.
    Notes(usize),
    Body(usize),
    /// A single value of the request is larger than the plugin may read.
    Request {
        what: String,
        bytes: usize,
        limit: usize,
    },
    /// An import that is not available while the instance starts.
    NotAvailable(&'static str),
    /// An import that the running hook does not have.
    NotInHook(&'static str),
    Interface(&'static str),
    /// A table that the sidecar does not declare.
    Table(String),
    /// A table whose content is older than the sidecar allows.
    StaleTable {
        table: String,
        max: Duration,
    },
    Header(String),
    /// A header with credentials, which the host never grants.
    Credential(String),
    BodyGrant {
        asked: &'static str,
        needed: BodyGrant,
    },
}

// === impl Breach ===

impl Breach {
    /// Describes all missing grants in one text; headers share one line, as they do in the sidecar.
    pub(crate) fn describe_all(missing: &[Self]) -> String {
        let headers: Vec<_> = missing
            .iter()
            .filter_map(|breach| match breach {
                Self::Header(name) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let others = missing
            .iter()
            .filter(|breach| !matches!(breach, Self::Header(_)));
        let mut texts: Vec<_> = others.map(ToString::to_string).collect();
        match headers.as_slice() {
            [] => {}
            [name] => texts.push(Self::Header((*name).to_owned()).to_string()),
            names => texts.push(format!(
                "the headers `{}` are not granted; set `headers = [\"{}\"]` in [grants] of the sidecar to grant them",
                names.join("`, `"),
                names.join("\", \"")
            )),
        }
        texts.join("; ")
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostCalls(limit) => write!(
                f,
                "more than {limit} calls to the host; call once and keep the result, or raise `host_calls` in [limits] of the sidecar"
            ),
            Self::Copy(limit) => write!(
                f,
                "more than {limit} bytes copied between host and plugin; read less, or raise `copy_bytes` in [limits] of the sidecar"
            ),
            Self::Notes(limit) => write!(
                f,
                "more than {limit} bytes of notes for one exchange; keep less from call to call"
            ),
            Self::Body(limit) => write!(
                f,
                "more than {limit} bytes of the body read; read less, or raise `body_bytes` in [limits] of the sidecar"
            ),
            Self::Request { what, bytes, limit } => write!(
                f,
                "`{what}` has {bytes} bytes, and the plugin may read at most {limit} of one request"
            ),
            Self::NotAvailable(what) => {
                write!(f, "`{what}` is not available while the plugin starts")
            }
            Self::NotInHook(what) => {
                write!(
                    f,
                    "`{what}` is not available in this hook; see the contract for the hooks that have it"
                )
            }
            Self::Interface(name) => write!(
                f,
                "`{name}` is not granted; set `{name} = true` in [grants] of the sidecar to grant it"
            ),
            Self::Table(name) => write!(
                f,
                "there is no table `{name}`; declare `[tables.{name}]` with `file` or `url` in the sidecar"
            ),
            Self::StaleTable { table, max } => write!(
                f,
                "the content of the table `{table}` is older than its `max_age_ms` of {}; see the error in the table's status",
                max.as_millis()
            ),
            Self::Header(name) => write!(
                f,
                "the header `{name}` is not granted; set `headers = [\"{name}\"]` in [grants] of the sidecar to grant it"
            ),
            Self::Credential(name) => write!(
                f,
                "the header `{name}` carries credentials, which plugins never see; don't read it, and use `caller` to identify the caller"
            ),
            Self::BodyGrant { asked, needed } => write!(
                f,
                "`{asked}` is not granted; set `body = \"{}\"` in [grants] of the sidecar to grant it",
                needed.name()
            ),
        }
    }
}

impl std::error::Error for Breach {}
