//! `credentials`: several credentials of one upstream, among which each request gets one.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;

use super::credential::{CredentialHeader, CredentialTable, OwnCredential};
use super::kind::UpstreamKind;
use crate::pool::MAX_CREDENTIALS;

/// Maximum of a credential's weight.
const MAX_WEIGHT: u32 = 100;

/// The percentage of a limit below which a credential takes no new session, by default.
const SOFT: u32 = 10;

/// Longest name of a credential, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// A credential in a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PooledCredential {
    /// Name in receipts, metrics and logs.
    pub name: String,
    /// Secret.
    pub own: OwnCredential,
    /// Share of new sessions, relative to the others'.
    pub weight: NonZeroU32,
    /// Percentage of each limit below which no new session comes.
    pub soft: u32,
    /// Percentage of each limit below which no request comes.
    pub hard: u32,
}

/// An entry of `credentials` as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct PooledFile {
    name: String,
    env: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    refresh_ms: Option<u64>,
    header: Option<CredentialHeader>,
    weight: Option<u32>,
    soft: Option<u32>,
    hard: Option<u32>,
}

/// Checks the credentials of an upstream. `check` is the check of the upstream.
pub(super) fn check_all(
    files: Vec<PooledFile>,
    kind: UpstreamKind,
    check: &mut Check<'_>,
) -> Vec<PooledCredential> {
    if files.is_empty() {
        check.problem(
            "credentials",
            "must have at least one credential, or be absent",
        );
    }
    if files.len() > MAX_CREDENTIALS {
        check.problem(
            "credentials",
            format!("must not have more than {MAX_CREDENTIALS} credentials"),
        );
    }
    let mut seen = HashSet::new();
    let mut pool = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let mut check = check.table(&format!("credentials[{index}]"));
        if !is_name(&file.name) {
            check.problem(
                "name",
                format!(
                    "must be 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.`: it is public, so it must not be the credential itself"
                ),
            );
        } else if !seen.insert(file.name.clone()) {
            check.problem("name", "is the name of another credential of this upstream");
        }
        pool.extend(file.check(kind, &mut check));
    }
    pool
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_part)
}

// === impl PooledFile ===

impl PooledFile {
    fn check(self, kind: UpstreamKind, check: &mut Check<'_>) -> Option<PooledCredential> {
        let weight = check.number("weight", self.weight, 1, 1..=MAX_WEIGHT);
        let hard = check.number("hard", self.hard, 0, 0..=99);
        let soft = check.number("soft", self.soft, SOFT.max(hard), 0..=100);
        if soft < hard {
            check.problem("soft", "must be at least `hard`");
        }
        let table = CredentialTable {
            env: self.env,
            file: self.file,
            command: self.command,
            refresh_ms: self.refresh_ms,
            header: self.header,
        };
        Some(PooledCredential {
            name: self.name,
            own: table.check(kind, check)?,
            weight: NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN),
            soft,
            hard,
        })
    }
}
