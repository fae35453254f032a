//! `[tables]` in a sidecar: the sources of a plugin's tables, and their bounds.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Check;
use super::secrets::{read, reference};
use crate::options::RuntimeOptions;
use crate::tables::{Definition, First, Format, NO_FETCH, Policy, Remote, Source, TableConfig};

/// The maximum number of tables of a plugin. Each has a thread.
const MAX_TABLES: usize = 16;

/// The maximum length of a table's name.
const MAX_NAME_BYTES: usize = 64;

/// The keys with numbers, and their ranges.
const REFRESH_MS: RangeInclusive<i64> = 100..=86_400_000;
const MAX_AGE_MS: RangeInclusive<i64> = 100..=30 * 86_400_000;
const TIMEOUT_MS: RangeInclusive<i64> = 1..=60_000;
const MAX_BYTES: RangeInclusive<i64> = 1..=64 << 20;
const MAX_ENTRIES: RangeInclusive<i64> = 1..=1_000_000;

/// The problem of a header's value.
const WRONG_HEADER: &str = "must be a text, or a secret: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`, with `prefix = \"Bearer \"` if needed";

/// `[tables.NAME]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TableFile {
    file: Option<PathBuf>,
    url: Option<String>,
    format: Option<Format>,
    refresh_ms: Option<i64>,
    max_age_ms: Option<i64>,
    timeout_ms: Option<i64>,
    max_bytes: Option<i64>,
    max_entries: Option<i64>,
    optional: bool,
    ca_file: Option<PathBuf>,
    headers: Map<String, Value>,
}

// === impl Check ===

impl Check<'_> {
    /// Checks the tables. One with a problem is left out.
    pub(super) fn tables(
        &mut self,
        files: BTreeMap<String, TableFile>,
        folder: &Path,
        host: Option<&RuntimeOptions>,
    ) -> Vec<TableConfig> {
        if files.len() > MAX_TABLES {
            let message = format!("a plugin may have at most {MAX_TABLES} tables");
            self.reject("tables", &message);
        }
        let mut tables = Vec::with_capacity(files.len());
        for (name, file) in files {
            let before = self.problems.iter().len();
            let config = self.table(&name, file, folder, host);
            if self.problems.iter().len() == before {
                tables.extend(config);
            }
        }
        tables
    }

    fn table(
        &mut self,
        name: &str,
        file: TableFile,
        folder: &Path,
        host: Option<&RuntimeOptions>,
    ) -> Option<TableConfig> {
        let path = format!("tables.{name}");
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(named) {
            self.reject(
                &path,
                "not a name of a table; use up to 64 letters, digits, `_` and `-`",
            );
        }
        let format = self.format(&path, &file);
        let mut number = |key: &str, value: Option<i64>, default: u64, range| {
            let value = self.number(&format!("{path}.{key}"), value, range);
            value.unwrap_or(default)
        };
        let refresh_default = if file.url.is_some() { 60_000 } else { 1_000 };
        let refresh = number("refresh_ms", file.refresh_ms, refresh_default, REFRESH_MS);
        let max_age = number("max_age_ms", file.max_age_ms, u64::MAX, MAX_AGE_MS);
        let timeout = number("timeout_ms", file.timeout_ms, 5_000, TIMEOUT_MS);
        let max_bytes = number("max_bytes", file.max_bytes, 1 << 20, MAX_BYTES);
        let max_entries = number("max_entries", file.max_entries, 100_000, MAX_ENTRIES);
        if max_age < refresh {
            let message = "must not be less than `refresh_ms`, or the content is too old before it is read again";
            self.reject(&format!("{path}.max_age_ms"), message);
        }
        let policy = Policy {
            refresh: Duration::from_millis(refresh),
            timeout: Duration::from_millis(timeout),
            max_age: file.max_age_ms.map(|_| Duration::from_millis(max_age)),
            first: match file.optional {
                true => First::Optional,
                false => First::Required,
            },
        };
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let source = self.source(&path, file, folder)?;
        if let (Source::Url(remote), Some(host)) = (&source, host) {
            let checked = match &host.fetch {
                Some(fetch) => fetch.check(&remote.request(max_bytes, policy.timeout)),
                None => Err(NO_FETCH.to_owned()),
            };
            if let Err(message) = checked {
                self.reject(&format!("{path}.url"), &message);
            }
        }
        Some(TableConfig {
            name: name.into(),
            definition: Definition {
                source,
                format: format?,
                max_bytes,
                max_entries: usize::try_from(max_entries).unwrap_or(usize::MAX),
            },
            policy,
        })
    }

    /// Returns the source, or `None` if there is none.
    fn source(&mut self, path: &str, file: TableFile, folder: &Path) -> Option<Source> {
        match (file.file, file.url) {
            (Some(place), None) => {
                for (key, given) in [
                    ("headers", !file.headers.is_empty()),
                    ("ca_file", file.ca_file.is_some()),
                ] {
                    if given {
                        self.reject(&format!("{path}.{key}"), "only a table with `url` has it");
                    }
                }
                let place = folder.join(place);
                self.files.push(place.clone());
                Some(Source::File(place))
            }
            (None, Some(url)) => {
                let ca_file = file.ca_file.map(|file| folder.join(file));
                self.files.extend(ca_file.clone());
                Some(Source::Url(Remote {
                    url,
                    headers: self.headers(&format!("{path}.headers"), file.headers, folder),
                    ca_file,
                }))
            }
            (None, None) => {
                self.reject(path, "needs `file = \"…\"` or `url = \"https://…\"`");
                None
            }
            (Some(_), Some(_)) => {
                self.reject(path, "has both `file` and `url`; remove one of them");
                None
            }
        }
    }

    /// Returns the format that is written, or the one that the name of the source ends with.
    fn format(&mut self, path: &str, file: &TableFile) -> Option<Format> {
        let url = file.url.as_deref().map(|url| {
            let end = url.find(['?', '#']).unwrap_or(url.len());
            Path::new(url.get(..end).unwrap_or_default())
        });
        let place = file.file.as_deref().or(url);
        let ending = place.and_then(Path::extension).and_then(|it| it.to_str());
        let format = file.format.or(match ending {
            Some("json") => Some(Format::Json),
            Some("csv") => Some(Format::Csv),
            Some("txt") => Some(Format::Lines),
            Some(_) | None => None,
        });
        // A wrong format has its own problem, and so has a missing source.
        if format.is_none() && place.is_some() && !self.problems.is_about(&format!("{path}.format"))
        {
            self.reject(
                path,
                "needs `format = \"json\"`, `\"csv\"` or `\"lines\"`, because its name doesn't end with `.json`, `.csv` or `.txt`",
            );
        }
        format
    }

    /// Returns headers with their values, each a text or a reference to a secret.
    fn headers(
        &mut self,
        path: &str,
        headers: Map<String, Value>,
        folder: &Path,
    ) -> Vec<(String, String)> {
        let mut read = Vec::with_capacity(headers.len());
        for (name, value) in headers {
            match self.header(value, folder) {
                Ok(value) => read.push((name, value)),
                Err(message) => self.reject(&format!("{path}.{name}"), &message),
            }
        }
        read
    }

    /// Returns a header's value. A reference may have a `prefix` that goes before the secret.
    fn header(&mut self, value: Value, folder: &Path) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text),
            Value::Object(mut members) => {
                let prefix = match members.remove("prefix") {
                    Some(Value::String(prefix)) => prefix,
                    Some(_) => return Err(WRONG_HEADER.to_owned()),
                    None => String::new(),
                };
                let (kind, name) = reference(&members).ok_or(WRONG_HEADER)?;
                if kind == "file" {
                    self.files.push(folder.join(name));
                }
                Ok(prefix + &read(kind, name, folder)?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                Err(WRONG_HEADER.to_owned())
            }
        }
    }
}
