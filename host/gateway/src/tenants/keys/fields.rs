//! The fields that keys have in every file of keys: hashes and ends of validity.

use serde::Deserialize;
use witgate_config_file::Check;

use super::Validity;

/// The key that an owner had before a rotation.
#[derive(Debug, Deserialize)]
pub(crate) struct PreviousFile {
    pub(crate) hash: String,
    pub(crate) expires: String,
}

/// Reads a hash. Reports a wrong one with the command that makes them, and returns `None`.
pub(crate) fn read_hash(
    check: &mut Check<'_>,
    field: &str,
    written: &str,
    command: &str,
) -> Option<[u8; 32]> {
    let hash = written.strip_prefix("sha256:").and_then(digest);
    if hash.is_none() {
        let message = format!("use `sha256:` followed by 64 hex digits, as `{command}` prints");
        check.problem(field, message);
    }
    hash
}

/// Reads the end of a validity. Without one, and after the report of a wrong one, the validity is for ever.
pub(crate) fn read_validity(check: &mut Check<'_>, field: &str, written: Option<&str>) -> Validity {
    match written.map(Validity::parse) {
        None => Validity::FOREVER,
        Some(Ok(validity)) => validity,
        Some(Err(error)) => {
            check.problem(field, error.to_string());
            Validity::FOREVER
        }
    }
}

/// Reports a hash that another key has, too.
pub(crate) fn report_taken(check: &mut Check<'_>, field: &str) {
    check.problem(
        field,
        "another key has the same hash: give each key its own",
    );
}

/// Parses the hex digits of a SHA-256; `None` if they are not.
fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex, &mut bytes).ok()?;
    Some(bytes)
}
